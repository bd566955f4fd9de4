import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { ROOT } from "@warren/cli/bundle-programs";
import { CONTROL_PLANE } from "@warren/cli/servers/programs";
import type { Warren } from "@warren/sdk";
import { NODE_FLAGS } from "@warren/server/node-flags";
import {
  bundleFakeHostAgent,
  CACHE_DIRECTORY,
  type HostProgram,
  type Stack,
  startStackIn,
  sweep,
} from "../support/stack.ts";

const run = promisify(execFile);

/** What earlier versions left, one folder each, by the day on which it was taken. */
export const GOLDEN = join(ROOT, "tests/compatibility/golden");
/** The messages of the guest and the host protocol: an image of buf. */
export const PROTOCOLS = "protocols.binpb";
/** The document of the REST API. */
export const REST_API = "openapi.json.gz";
/** A backup of the control plane's database. */
const BACKUP = "warren.backup";
/** The data directory of both servers, without what is in the backup or made again. */
const DATA = "data.tar.gz";
const REMADE = ["database", "emergency-space", "memory-images", "control-plane.lock", "host-agent.lock", "agent.sock"];
/** Where the data directory lies, then as now: records name files by their paths, and the database a host by its socket. */
const PLACE = join(tmpdir(), "warren-golden");

const AGENT = { WARREN_WARM_POOL: "0" };

/** What the installation has, which `leaveTraces` makes and every later version is asked for. */
export const TRACES = {
  sandbox: { name: "kept", metadata: { task: "42" } },
  /** A line in a file on its disk and in one in its memory. */
  line: "kept through versions",
  template: "trained",
};

/** Writes to disk and memory of a sandbox, pauses it twice, and makes a template of it. */
async function leaveTraces(warren: Warren): Promise<void> {
  const sandbox = await warren.sandboxes.create(TRACES.sandbox);
  await sandbox.exec("sh", ["-c", `echo ${TRACES.line} | tee kept >/dev/shm/kept`]);
  await sandbox.pause();
  await sandbox.resume();
  await warren.templates.create(sandbox, { name: TRACES.template });
  await sandbox.pause();
}

/** Takes what this version leaves into a folder of `GOLDEN`. */
export async function takeGolden(name: string): Promise<void> {
  const folder = join(GOLDEN, name);
  await mkdir(folder, { recursive: true });
  await run("buf", ["build", join(ROOT, "contracts/proto"), "-o", join(folder, PROTOCOLS)]);
  const program = await bundleFakeHostAgent();
  await makePlace(program);
  const stack = await startStackIn(PLACE, AGENT, {}, program);
  try {
    const document = await (await fetch(`${stack.url}/openapi.json`)).arrayBuffer();
    await writeFile(join(folder, REST_API), gzipSync(Buffer.from(document), { level: 9 }));
    await leaveTraces(stack.warren);
    await stack.controlPlane.stop();
    await stack.hostAgent.stop();
    await task("backup", join(folder, BACKUP), "--force");
    const excluded = REMADE.map((path) => `--exclude=./${path}`);
    await run("tar", ["-czf", join(folder, DATA), "--sparse", ...excluded, "-C", PLACE, "."]);
  } finally {
    await stack.dispose();
  }
}

/** Starts this version on what an earlier one left. */
export async function startOnGolden(name: string): Promise<Stack> {
  const folder = join(GOLDEN, name);
  const program = await bundleFakeHostAgent();
  await makePlace(program);
  await run("tar", ["-xzf", join(folder, DATA), "-C", PLACE]);
  await task("restore", join(folder, BACKUP));
  return await startStackIn(PLACE, AGENT, {}, program);
}

/** Makes the directory, without what a run that was killed has left in it; fails while another run uses it. */
async function makePlace(program: HostProgram): Promise<void> {
  await mkdir(PLACE, { recursive: true, mode: 0o700 });
  await sweep(PLACE, program);
  await rm(PLACE, { recursive: true });
  await mkdir(PLACE, { mode: 0o700 });
}

/** Has the control plane do something with the database, while no server runs. */
async function task(...words: string[]): Promise<void> {
  const env = { ...process.env, WARREN_DATA_DIR: PLACE, WARREN_CACHE_DIR: CACHE_DIRECTORY };
  await run(process.execPath, [...NODE_FLAGS, CONTROL_PLANE, ...words], { env });
}
