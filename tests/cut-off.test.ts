import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Host, NewHost } from "@warren/contracts/rest/hosts";
import type { Sandbox } from "@warren/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readRecords } from "./support/host-state.ts";
import { freePort, NetworkPath } from "./support/network.ts";
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

/** The first sign of life that comes to nothing is enough, so that there is less to wait for. */
const AGENT = { WARREN_WARM_POOL: "0", WARREN_PAUSE_ALL_AFTER: "1" };
/** Milliseconds for what waits for a sign of life, one every 30 s: the first after a cut may find that the control plane has just called. */
const CUT_LIMIT_MS = 180_000;

/** A host with ways of its own to the control plane and from it. */
interface RemoteHost {
  directory: string;
  /** From the control plane, and to it. */
  ways: NetworkPath[];
  flags: string[];
  agent: Server;
}

let program: HostProgram;
let stack: Stack;
let remote: RemoteHost;
beforeAll(async () => {
  program = await bundleFakeHostAgent();
  stack = await startStack({ WARREN_WARM_POOL: "0" }, ADMIN_SETTINGS, undefined, program);
  remote = await startRemoteHost();
});
afterAll(async () => {
  await remote?.agent.stop();
  for (const way of remote?.ways ?? []) way.close();
  if (remote) {
    await sweep(remote.directory, program);
    await rm(remote.directory, { recursive: true, force: true });
  }
  await stack?.dispose();
});

/** Registers a host at a port, and has all new sandboxes go to it. */
async function startRemoteHost(): Promise<RemoteHost> {
  const directory = await mkdtemp(join(tmpdir(), "warren-remote-"));
  const port = await freePort();
  const ways = await Promise.all([NetworkPath.open(port), NetworkPath.open(Number(new URL(stack.url).port))]);
  const flags = [
    ...["--listen", `127.0.0.1:${port}`, "--address", `127.0.0.1:${ways[0]!.port}`],
    ...["--control-plane", `http://127.0.0.1:${ways[1]!.port}`],
  ];
  const { registration_token } = await call<NewHost>("POST", "/v1/hosts", { type: "regular" });
  const environment = { ...AGENT, WARREN_HOST_TOKEN: registration_token };
  const agent = await startHostAgentProcess(directory, environment, flags, program);
  const local = (await call<Host[]>("GET", "/v1/hosts")).find(({ provider }) => provider === "local")!;
  await call("POST", `/v1/hosts/${local.id}/drain`);
  return { directory, ways, flags, agent };
}

const call = <T>(method: string, path: string, body?: object) => callAsAdmin<T>(stack.url, method, path, body);

const stateOf = async ({ id }: Sandbox) => {
  const { status, reason } = (await stack.warren.sandboxes.get(id)).fields;
  return `${status} ${reason?.code ?? ""}`.trim();
};
const onDisk = () => readRecords(remote.directory).map(({ status }) => status);
const write = (sandbox: Sandbox, state: number) =>
  sandbox.exec("sh", ["-c", `echo ${state} | tee state >/dev/shm/state`]);
const read = async (sandbox: Sandbox) =>
  (await sandbox.exec("sh", ["-c", "cmp state /dev/shm/state && cat state"])).stdout;

it("a host that is cut off pauses its sandboxes, also when it is killed in the midst of that, and they go on once it is back", async () => {
  const sandboxes = await Promise.all(
    Array.from({ length: 6 }, (_, index) => stack.warren.sandboxes.create({ autoResume: index === 0 })),
  );
  for (const [state, sandbox] of sandboxes.entries()) await write(sandbox, state);
  const [waking, asked, busy] = sandboxes as [Sandbox, Sandbox, Sandbox];
  await asked.pause();
  const process = await busy.stream("sleep", ["600"]);
  const ended = process.exit.then(
    () => "in order",
    () => "with an error",
  );

  for (const way of remote.ways) way.cut();
  const paused = () => onDisk().filter((status) => status === "paused").length;
  await expect.poll(paused, { timeout: CUT_LIMIT_MS, interval: 5 }).toBeGreaterThan(1);
  await remote.agent.kill();
  remote.agent = await startHostAgentProcess(remote.directory, AGENT, remote.flags, program);
  // Its first sign of life is given at once.
  await expect.poll(paused).toBe(6);

  for (const way of remote.ways) way.heal();
  await expect
    .poll(() => Promise.all(sandboxes.map(stateOf)), { timeout: CUT_LIMIT_MS })
    .toEqual(sandboxes.map((sandbox) => (sandbox === asked ? "paused requested" : "paused control_plane_lost")));
  expect(await ended).toBe("with an error");
  expect(await read(waking)).toBe("0\n");
  for (const sandbox of sandboxes.slice(1)) await sandbox.resume();
  for (const [state, sandbox] of sandboxes.entries()) {
    expect(await read(sandbox)).toBe(`${state}\n`);
    expect(await stateOf(sandbox)).toBe("running");
    await sandbox.destroy();
  }
});
