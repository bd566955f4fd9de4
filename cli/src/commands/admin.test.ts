import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import type { AdminTeam, AdminUser } from "@warren/contracts/rest/admin";
import type { TeamQuota } from "@warren/contracts/rest/quotas";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeReady } from "./up.ts";

const PROGRAM = resolve(import.meta.dirname, "../main.ts");
const CONTROL_PLANE = resolve(import.meta.dirname, "../../../control-plane/src/main.ts");
const PASSWORD = "correct horse battery staple";

let dataDir: string;
let server: ChildProcess;
let url: string;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "warren-admin-"));
  server = spawn(process.execPath, [...NODE_FLAGS, CONTROL_PLANE], {
    cwd: dataDir,
    env: {
      PATH: process.env.PATH,
      WARREN_DATA_DIR: dataDir,
      WARREN_LISTEN: "127.0.0.1:0",
      WARREN_READY_FD: "3",
      WARREN_EXIT_WITH_PARENT: "1",
    },
    stdio: ["pipe", "ignore", "inherit", "pipe"],
  });
  ({ url } = JSON.parse(await text(server.stdio[3] as Readable)));
});
afterAll(async () => {
  if (server) {
    const exit = once(server, "exit");
    server.kill("SIGTERM");
    await exit;
  }
  await rm(dataDir, { recursive: true, force: true });
});

/** Runs `warren` with the given words and, as its input, lines. */
async function warren(words: string[], input = ""): Promise<{ status: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, ...words], { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => undefined).end(input);
  const exit = once(child, "exit");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [status] = await exit;
  return { status: status as number, stdout, stderr };
}

const admin = (words: string[], input?: string) => warren(["admin", ...words, "--data-dir", dataDir], input);

async function call<T>(method: string, path: string, credential: Record<string, string>, body?: object) {
  const headers = { ...credential, ...(body ? { "content-type": "application/json" } : {}) };
  const response = await fetch(`${url}${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
  return { status: response.status, body: (await response.json()) as T };
}

async function logIn(email: string, password = PASSWORD) {
  return call<{ token: string; is_admin: boolean }>("POST", "/v1/auth/login", {}, { email, password });
}

it("a server without any account takes its key, and the way to the first account that it names works", async () => {
  const { api_key } = JSON.parse(await readFile(join(dataDir, "credentials.json"), "utf8"));
  expect((await call("GET", "/v1/sandboxes", { "x-api-key": api_key })).status).toBe(200);
  const setup_url = `${url}/setup#token=${"x".repeat(43)}`;
  const message = describeReady({ url, api_key, docs_url: `${url}/docs`, setup_url }, dataDir);
  expect(message).toContain(`\n  ${setup_url}\n`);
  const [, command = ""] = /^'\S*warren (admin link.*)' prints another/m.exec(message) ?? [];
  const link = await warren(command.split(" "));
  expect(link).toMatchObject({ status: 0, stderr: "" });
  expect(link.stdout).toMatch(new RegExp(`^${url}/setup#token=[\\w-]{43}\n$`));
  const created = await admin(["create", "you@example.org", "--name", "You"], `${PASSWORD}\n`);
  expect(created).toMatchObject({ status: 0, stdout: "", stderr: expect.stringContaining("administers the platform") });
  const { status, body } = await logIn("you@example.org");
  expect([status, body.is_admin]).toEqual([200, true]);
  // The account owns the team of the key, so both see the same.
  const teams = await call<{ name: string }[]>("GET", "/v1/teams", { authorization: `Bearer ${body.token}` });
  expect(teams.body.map(({ name }) => name)).toContain("Default");
});

it("makes no link to the first account once somebody administers the server", async () => {
  const { status, stdout, stderr } = await admin(["link"]);
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr).toContain("somebody administers this server already");
  const ready = { url, api_key: null, docs_url: `${url}/docs`, setup_url: null };
  expect(describeReady(ready, dataDir)).not.toContain("first account");
});

it("grants and revokes the administration, and gives passwords", async () => {
  const email = "ada@example.org";
  await call("POST", "/v1/auth/signup", {}, { email, password: PASSWORD, name: "Ada" });
  expect((await logIn(email)).body.is_admin).toBe(false);
  expect((await admin(["grant", email])).status).toBe(0);
  expect((await logIn(email)).body.is_admin).toBe(true);
  expect((await admin(["revoke", email])).status).toBe(0);
  expect((await admin(["grant", email, "--permission", "teams"])).status).toBe(0);
  const users = JSON.parse((await admin(["users", "--json"])).stdout) as AdminUser[];
  expect(users.find((user) => user.email === email)).toMatchObject({ is_admin: false, permissions: ["teams"] });
  expect((await admin(["users"])).stdout).toMatch(/^ada@example\.org +Ada +teams /m);
  expect((await admin(["deactivate", email])).status).toBe(0);
  expect((await logIn(email)).status).toBe(403);
  expect((await admin(["users"])).stdout).toMatch(/^ada@example\.org .* deactivated *$/m);
  expect((await admin(["activate", email])).status).toBe(0);
  expect((await admin(["password", email], "another password\n")).status).toBe(0);
  expect([(await logIn(email)).status, (await logIn(email, "another password")).status]).toEqual([401, 200]);
});

it("sets what a team may use and where its sandboxes run", async () => {
  const teams = async () => JSON.parse((await admin(["teams", "--json"])).stdout) as AdminTeam[];
  const { slug } = (await teams()).find(({ name }) => name === "Default")!;
  expect((await admin(["byoc", slug, "on"])).status).toBe(0);
  expect((await teams()).find((team) => team.slug === slug)?.is_byoc).toBe(true);
  const set = await admin(["quota", slug, "--sandboxes", "7", "--memory-mb", "2048", "--json"]);
  expect((JSON.parse(set.stdout) as TeamQuota).limits).toMatchObject({ sandboxes: 7, memory_mb: 2048 });
  expect((await admin(["quota", slug])).stdout).toMatch(/^sandboxes +0 +7$/m);
  await admin(["quota", slug, "--sandboxes", "default"]);
  expect((await admin(["quota", slug])).stdout).not.toMatch(/^sandboxes +0 +7$/m);
});

it("sets what a team may use in a month", async () => {
  const all = JSON.parse((await admin(["teams", "--json"])).stdout) as AdminTeam[];
  const { slug } = all.find(({ name }) => name === "Default")!;
  const words = [
    "usage-limits",
    slug,
    "--cpu-minutes",
    "60",
    "--cpu-minutes-warning",
    "50",
    "--egress-bytes",
    "0",
    "--memory-gb-hours",
    "1.5",
    "--json",
  ];
  expect(JSON.parse((await admin(words)).stdout)).toMatchObject({
    state: "reached",
    cpu_minutes: { warning: 50, limit: 60, state: "ok" },
    // Of which the API counts MiB × minutes.
    memory_mb_minutes: { used: 0, limit: 92_160, state: "ok" },
    egress_bytes: { used: 0, limit: 0, state: "reached" },
  });
  await admin(["usage-limits", slug, "--egress-bytes", "none"]);
  const { stdout } = await admin(["usage-limits", slug]);
  expect(stdout).toMatch(/^CPU, minutes +0 +50 +60 +ok$/m);
  expect(stdout).toMatch(/^egress, bytes +0 +- +- +ok$/m);
  expect(stdout).toMatch(/^memory, GiB·h +0 +- +1\.5 +ok$/m);
});

it("ends all sessions by new keys when it is told to", async () => {
  const { body } = await logIn("you@example.org");
  expect((await admin(["rotate-keys"])).status).toBe(0);
  expect((await call("GET", "/v1/me", { authorization: `Bearer ${body.token}` })).status).toBe(200);
  const unseen = (await logIn("you@example.org")).body.token;
  expect((await admin(["rotate-keys", "--revoke"])).status).toBe(0);
  expect((await call("GET", "/v1/me", { authorization: `Bearer ${unseen}` })).status).toBe(401);
});

it.each([
  ["an address without an account", ["grant", "nobody@example.org"], "nobody has an account"],
  ["an unknown right", ["grant", "ada@example.org", "--permission", "all"], "teams, users, hosts"],
  ["a short password", ["password", "ada@example.org"], "The password has 5 characters: it needs 8 at least."],
  ["one of a new account", ["create", "new@example.org", "--name", "N"], "has 5 characters: it needs 8 at least."],
  ["an unknown team", ["byoc", "000000-000000", "on"], "no team with the slug"],
  ["a limit of a month that is no number", ["usage-limits", "000000-000000", "--cpu-minutes", "1.5"], "whole number"],
  ["memory that is no number", ["usage-limits", "000000-000000", "--memory-gb-hours", "1.23456"], "four digits"],
  ["a limit that is no number", ["quota", "000000-000000", "--sandboxes", "many"], "must be a number"],
])("says what is wrong with %s", async (_what, words, problem) => {
  const { status, stdout, stderr } = await admin(words, "short\n");
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr).toContain(problem);
});

it("says that no server runs on a data directory", async () => {
  const { status, stderr } = await warren(["admin", "users", "--data-dir", join(dataDir, "other")]);
  expect(status).toBe(1);
  expect(stderr).toContain("No Warren server listens");
});
