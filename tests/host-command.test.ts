import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Operator } from "@warren/cli/servers/operator";
import type { Host, HostDetails, NewHost } from "@warren/contracts/rest/hosts";
import type { Sandbox } from "@warren/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  bundleFakeHostAgent,
  type Server,
  type Stack,
  startHostAgentProcess,
  startStack,
  sweep,
} from "./support/stack.ts";
import { run } from "./support/warren-command.ts";

/** `warren host`, on a server with two hosts. Each step builds on those before. */

const ADMIN = { email: "admin@example.org", password: "the password of the admin" };
const AGENT = { WARREN_WARM_POOL: "0" };

let stack: Stack;
let directory: string;
let agent: Server | undefined;
let id: string;
let program: Awaited<ReturnType<typeof bundleFakeHostAgent>>;

beforeAll(async () => {
  program = await bundleFakeHostAgent();
  const admin = { WARREN_ADMIN_EMAIL: ADMIN.email, WARREN_ADMIN_PASSWORD: ADMIN.password };
  stack = await startStack(AGENT, admin, undefined, program);
  directory = await mkdtemp(join(tmpdir(), "warren-other-host-"));
});
afterAll(async () => {
  await agent?.stop();
  if (directory) await sweep(directory, program);
  await rm(directory, { recursive: true, force: true });
  await stack?.dispose();
});

/** Runs `warren host` as the operator of the server's machine; `env` is added to its environment. */
async function host(words: string[], env: NodeJS.ProcessEnv = {}) {
  const ended = await run(["host", ...words, "--data-dir", stack.directory], { env });
  return { ...ended, stdout: ended.stdout.toString() };
}

const show = async () => JSON.parse((await host(["show", id, "--json"])).stdout) as HostDetails & { tags: string[] };
const isGone = (sandbox: Sandbox) =>
  stack.warren.sandboxes.get(sandbox.id).then(({ fields }) => fields.status === "stopped");

test("makes a host known, whose agent registers with the token that it prints", async () => {
  const made = await host(["create", "--provider", "rack 2", "--zone", "b"]);
  expect(made).toMatchObject({ status: 0, stdout: expect.stringMatching(/^[0-9a-f]{64}\n$/) });
  const token = made.stdout.trim();
  expect(made.stderr).toContain(`./warren host join --control-plane URL --token ${token}`);
  id = /^warren: (host-\S+) waits/m.exec(made.stderr)![1]!;
  expect(await show()).toMatchObject({ status: "pending", provider: "rack 2", availability_zone: "b" });
  const early = await host(["drain", id]);
  expect(early).toMatchObject({ status: 1, stdout: "", stderr: expect.stringContaining("(invalid_state)") });
  const other = (await host(["token", id])).stdout.trim();
  expect(other).not.toBe(token);
  const env = { ...AGENT, WARREN_HOST_TOKEN: other };
  agent = await startHostAgentProcess(directory, env, ["--control-plane", stack.url], program);
  expect(await show()).toMatchObject({ status: "online", templates: [{ name: "minimal" }] });
});

test("lists hosts, for people, for scripts and as JSON", async () => {
  const hosts = JSON.parse((await host(["list", "--json"])).stdout) as Host[];
  expect(hosts.map(({ provider }) => provider)).toEqual(["local", "rack 2"]);
  expect((await host(["ls", "-q"])).stdout).toBe(`${hosts[0]!.id}\n${id}\n`);
  const { stdout } = await host(["list"]);
  expect(stdout).toMatch(/^HOST +STATUS +OF +CPUS +MEMORY +SANDBOXES +LAST HEARD OF +ADDRESS$/m);
  expect(stdout).toMatch(
    new RegExp(`^${id} +online +all +\\d+ +\\d+ MiB +0 running, 0 paused +20.* +unix:${directory}`, "m"),
  );
  expect((await host(["show", id])).stdout).toMatch(/^cpu_cores +\d+$/m);
});

test("tags a host, drains it and takes it out of service, and brings it back", async () => {
  expect((await host(["tags", id, "--add", "gpu,fast", "--remove", "fast"])).stdout).toBe("gpu\n");
  expect(await show()).toMatchObject({ tags: ["gpu"] });
  for (const [duty, status] of [
    ["drain", "draining"],
    ["offline", "offline"],
    ["online", "online"],
  ] as const) {
    expect(await host([duty, id])).toMatchObject({ status: 0, stdout: `${id}\n`, stderr: "" });
    expect((await show()).status).toBe(status);
  }
});

test("deletes a host that has something by force alone, and says first what goes with it", async () => {
  const { templates } = stack.warren;
  const sandbox = await stack.warren.sandboxes.create({ hostTags: ["gpu"] });
  await templates.create(sandbox, { name: "only-there" });
  const refused = await host(["delete", id]);
  expect(refused).toMatchObject({ status: 1, stdout: "" });
  expect(refused.stderr).toContain(`${id}: would be lost with it: 1 sandbox: ${sandbox.id}\n`);
  expect(refused.stderr).toContain(`${id}: would be lost with it: 1 template: only-there\n`);
  expect(refused.stderr).toContain("nothing was changed; --force deletes it with all of that");
  expect((await show()).status).toBe("online");
  const deleted = await host(["delete", id, "--force"]);
  expect(deleted).toMatchObject({ status: 0, stdout: `${id}\n` });
  expect(deleted.stderr).toContain(`${id}: lost with it: 1 sandbox: ${sandbox.id}\n`);
  expect(await isGone(sandbox)).toBe(true);
  expect((await templates.list()).map(({ name }) => name)).not.toContain("only-there");
  const unknown = await host(["show", id]);
  expect(unknown).toMatchObject({ status: 1, stderr: expect.stringContaining("(not_found)") });
});

test("is for the session of a person too, who is told when there is none", async () => {
  const { token = "" } = await stack.warren.signIn.logIn(ADMIN);
  const session = { WARREN_URL: stack.url, WARREN_SESSION_TOKEN: token };
  const made = await host(["create", "--json"], session);
  const { host: pending } = JSON.parse(made.stdout) as NewHost;
  expect(pending).toMatchObject({ status: "pending", created_by: expect.stringMatching(/^usr-/) });
  expect((await host(["rm", pending.id], session)).status).toBe(0);
  const elsewhere = await run(["host", "list", "--data-dir", directory], { env: { WARREN_URL: stack.url } });
  expect(elsewhere).toMatchObject({ status: 1, stderr: expect.stringContaining("set WARREN_SESSION_TOKEN") });
});

test("makes a host for a team that runs its own, by its slug", async () => {
  const operator = new Operator(stack.directory);
  const { id: teamId, slug } = (await operator.teams())[0]!;
  await operator.setByoc(slug, true);
  const { host: pending } = JSON.parse((await host(["create", "--team", slug, "--json"])).stdout) as NewHost;
  expect(pending).toMatchObject({ type: "byoc", team_id: teamId });
  const refused = await host(["create", "--team", "nobody"]);
  expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining("no team with the slug nobody") });
});
