import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AdminSandboxPage } from "@warren/contracts/rest/admin-lists";
import type { Host, HostDetails, NewHost } from "@warren/contracts/rest/hosts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ADMIN_SETTINGS, callAsAdmin } from "./support/platform-admin.ts";
import {
  bundleFakeHostAgent,
  type HostProgram,
  type Server,
  type Stack,
  startHostAgentProcess,
  startStack,
  sweep,
} from "./support/stack.ts";

const AGENT = { WARREN_WARM_POOL: "0" };

let program: HostProgram;
let stack: Stack;
let second: string;
let agent: Server | undefined;
beforeAll(async () => {
  program = await bundleFakeHostAgent();
  stack = await startStack(AGENT, ADMIN_SETTINGS, undefined, program);
  second = await mkdtemp(join(tmpdir(), "warren-second-"));
});
afterAll(async () => {
  await agent?.stop();
  if (second) await sweep(second, program);
  await rm(second, { recursive: true, force: true });
  await stack?.dispose();
});

const call = <T>(method: string, path: string, body?: object) => callAsAdmin<T>(stack.url, method, path, body);

const credentials = async (directory: string) =>
  JSON.parse(await readFile(join(directory, "host-credentials.json"), "utf8")) as Record<string, string>;
const modeOf = async (directory: string) => (await stat(join(directory, "host-credentials.json"))).mode & 0o777;
const localHost = async () => (await call<Host[]>("GET", "/v1/hosts")).find(({ provider }) => provider === "local")!;
const sandboxesOf = async () => (await call<AdminSandboxPage>("GET", "/v1/admin/sandboxes")).items;
const startSecond = async (environment: NodeJS.ProcessEnv = {}) => {
  agent = await startHostAgentProcess(second, { ...AGENT, ...environment }, ["--control-plane", stack.url], program);
  return agent;
};

it("the host of the machine has registered by itself, and says what it has", async () => {
  const host = await localHost();
  expect(host).toMatchObject({ status: "online", address: `unix:${stack.directory}/agent.sock` });
  expect(host.version).toMatch(/^\d+\.\d+\.\d+/);
  expect(host.load).toMatchObject({ running: 0, paused: 0 });
  const { templates } = await call<HostDetails>("GET", `/v1/hosts/${host.id}`);
  expect(templates).toEqual([{ name: "minimal" }]);
  expect(await credentials(stack.directory)).toMatchObject({ hostId: host.id, controlPlaneUrl: stack.url });
  expect(await modeOf(stack.directory)).toBe(0o600);
});

it("another host agent registers with a token, takes its share of sandboxes, and needs no token the next time", async () => {
  await expect(startSecond()).rejects.toThrow("WARREN_HOST_TOKEN");
  await expect(startSecond({ WARREN_HOST_TOKEN: "f".repeat(64) })).rejects.toThrow("unauthorized");
  const { host, registration_token } = await call<NewHost>("POST", "/v1/hosts", { type: "regular" });
  await startSecond({ WARREN_HOST_TOKEN: registration_token });
  expect(await modeOf(second)).toBe(0o600);
  const online = await call<Host>("GET", `/v1/hosts/${host.id}`);
  expect(online).toMatchObject({ status: "online", address: `unix:${second}/agent.sock` });

  const sandboxes = await Promise.all([1, 2].map(() => stack.warren.sandboxes.create({})));
  expect((await sandboxesOf()).map(({ host_id }) => host_id).sort()).toEqual([host.id, (await localHost()).id].sort());
  for (const sandbox of sandboxes) await sandbox.destroy();

  await agent!.stop();
  await startSecond();
  const beat = async () => (await call<Host>("GET", `/v1/hosts/${host.id}`)).last_heartbeat_at!;
  await expect.poll(beat).not.toBe(online.last_heartbeat_at);
});

it("a host that has lost its credentials gets others, and its sandboxes go on", async () => {
  const host = await localHost();
  const former = await credentials(stack.directory);
  const sandboxes = await Promise.all([1, 2].map(() => stack.warren.sandboxes.create({})));
  await stack.hostAgent.kill();
  await rm(join(stack.directory, "host-credentials.json"));
  await stack.startHostAgent();
  await expect.poll(() => credentials(stack.directory).then(({ hostId }) => hostId)).toBe(host.id);
  expect((await credentials(stack.directory)).token).not.toBe(former.token);
  expect((await localHost()).status).toBe("online");
  const there = (await sandboxesOf()).filter(({ host_id }) => host_id === host.id);
  expect(there).toMatchObject([{ status: "running" }]);
  for (const sandbox of sandboxes) await sandbox.destroy();
});

it("a template that was made on one host starts on the other, with the memory and disk that it had", async () => {
  await agent!.stop();
  await startSecond({ WARREN_MAX_SANDBOXES: "1" });
  const sandboxes = await Promise.all([1, 2].map(() => stack.warren.sandboxes.create({})));
  const hostOf = async (id: string) => (await sandboxesOf()).find((sandbox) => sandbox.id === id)?.host_id;
  const local = await localHost();
  const source = (await hostOf(sandboxes[0]!.id)) === local.id ? sandboxes[1]! : sandboxes[0]!;
  expect(await hostOf(source.id)).not.toBe(local.id);
  await source.exec("sh", ["-c", "echo made elsewhere | tee state >/dev/shm/state"]);
  await stack.warren.templates.create(source, { name: "spread" });
  // Its own host is full.
  const started = await stack.warren.sandboxes.create({ template: "spread" });
  expect(await hostOf(started.id)).toBe(local.id);
  const { stdout } = await started.exec("sh", ["-c", "cmp state /dev/shm/state && cat state"]);
  expect(stdout).toBe("made elsewhere\n");
  await stack.warren.templates.delete("spread");
  for (const sandbox of [...sandboxes, started]) await sandbox.destroy();
});

it("a host that was deleted learns of it, and forgets its credentials", async () => {
  const hosts = await call<Host[]>("GET", "/v1/hosts");
  const { id } = hosts.find(({ provider }) => provider !== "local")!;
  const preview = await call<{ sandbox_ids: string[] }>("GET", `/v1/hosts/${id}/delete-preview`);
  expect(preview.sandbox_ids).toEqual([]);
  await call("DELETE", `/v1/hosts/${id}`);
  await expect(call("GET", `/v1/hosts/${id}`)).rejects.toThrow("404");
  // Its next sign of life is the one that it gives at its start.
  await agent!.stop();
  await startSecond({ WARREN_HOST_TOKEN: "used" }).catch(() => undefined);
  await expect(credentials(second)).rejects.toThrow("ENOENT");
});

it("the host of the machine follows its control plane to another address", async () => {
  const { id } = await localHost();
  await stack.controlPlane.stop();
  await stack.startControlPlane();
  expect(await credentials(stack.directory)).toMatchObject({ hostId: id, controlPlaneUrl: stack.url });
});
