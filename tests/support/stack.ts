import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { bundlePrograms, ROOT } from "@warren/cli/bundle-programs";
import { CONTROL_PLANE, HOST_AGENT } from "@warren/cli/servers/programs";
import { Warren } from "@warren/sdk";
import { NODE_FLAGS } from "@warren/server/node-flags";

/** Where the tests keep images: shared by all runs on a machine, since they are immutable and named by their content. */
export const IMAGES_DIRECTORY = resolve(process.env.WARREN_TEST_IMAGES ?? "/var/lib/warren/images");
/** Where the tests keep what can be made again, shared as well. */
export const CACHE_DIRECTORY = join(IMAGES_DIRECTORY, "../cache");

/** One of the two servers, started as docs/processes.md says. */
export interface Server {
  pid: number;
  url: string;
  /** Last lines of its log, for the message of a failed test. */
  log: string[];
  /** Asks it to end and resolves with its exit status. */
  stop(): Promise<number | null>;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
}

/** A control plane with a host agent on a data directory of their own. */
export interface Stack {
  directory: string;
  url: string;
  apiKey: string;
  warren: Warren;
  hostAgent: Server;
  controlPlane: Server;
  /** Starts the host agent anew after it was stopped or killed. */
  startHostAgent(): Promise<Server>;
  /** Starts the control plane anew after it was stopped or killed; `url` and `warren` are those of the new one. */
  startControlPlane(): Promise<Server>;
  /** Ends both, destroys every sandbox and removes the data directory. */
  dispose(): Promise<void>;
}

/** Starts a stack in a new directory of `parent`. `environment` is added to that of the host agent, which is that of `program`. */
export async function startStack(
  environment: NodeJS.ProcessEnv = {},
  controlPlane: NodeJS.ProcessEnv = {},
  parent = tmpdir(),
  program = PRODUCT,
): Promise<Stack> {
  return startStackIn(await mkdtemp(join(parent, "warren-test-")), environment, controlPlane, program);
}

/** Starts a stack on a data directory that is there. */
export async function startStackIn(
  directory: string,
  environment: NodeJS.ProcessEnv = {},
  controlPlane: NodeJS.ProcessEnv = {},
  program = PRODUCT,
): Promise<Stack> {
  const socket = join(directory, "agent.sock");
  const startHostAgent = () => startHostAgentProcess(directory, environment, [], program);
  const startControlPlane = () =>
    startServer([CONTROL_PLANE], {
      WARREN_DATA_DIR: directory,
      WARREN_LISTEN: "127.0.0.1:0",
      WARREN_LOCAL_HOST: `unix:${socket}`,
      WARREN_CACHE_DIR: CACHE_DIRECTORY,
      WARREN_READY_FD: "3",
      WARREN_EXIT_WITH_PARENT: "1",
      ...controlPlane,
    });
  const [agent, plane] = await Promise.all([startHostAgent(), startControlPlane()]);
  const { api_key: apiKey } = JSON.parse(await readFile(join(directory, "credentials.json"), "utf8"));
  const stack: Stack = {
    directory,
    url: plane.url,
    apiKey,
    warren: new Warren({ url: plane.url, apiKey }),
    hostAgent: agent,
    controlPlane: plane,
    async startHostAgent() {
      stack.hostAgent = await startHostAgent();
      return stack.hostAgent;
    },
    async startControlPlane() {
      stack.warren.close();
      stack.controlPlane = await startControlPlane();
      stack.url = stack.controlPlane.url;
      stack.warren = new Warren({ url: stack.url, apiKey });
      return stack.controlPlane;
    },
    async dispose() {
      stack.warren.close();
      await stack.controlPlane.stop();
      await stack.hostAgent.stop();
      await sweep(directory, program);
      await rm(directory, { recursive: true, force: true });
    },
  };
  return stack;
}

/** A program of the host agent, and where it has its images. */
export interface HostProgram {
  path: string;
  images(directory: string): string;
}

/** The one that users have. */
const PRODUCT: HostProgram = { path: HOST_AGENT, images: () => IMAGES_DIRECTORY };

/** One whose microVMs are those of the fake VMM, in one file, as a test that starts it often wants it. */
export async function bundleFakeHostAgent(): Promise<HostProgram> {
  const directory = join(ROOT, ".warren/bundle-fake");
  await bundlePrograms({ "host-agent.js": "host-agent/src/testing/fake-host-agent.ts" }, directory);
  return { path: join(directory, "host-agent.js"), images: (data) => join(data, "fake-images") };
}

/** Starts the host agent of a data directory, which listens on `agent.sock` in it. `flags` are added to its arguments. */
export function startHostAgentProcess(
  directory: string,
  environment: NodeJS.ProcessEnv,
  flags: string[] = [],
  program = PRODUCT,
): Promise<Server> {
  const listen = `unix:${join(directory, "agent.sock")}`;
  return startServer(
    [
      program.path,
      "serve",
      ...["--data-dir", directory, "--images-dir", program.images(directory), "--listen", listen],
      ...["--ready-fd", "3", "--exit-with-parent"],
      ...flags,
    ],
    environment,
  );
}

/** Removes everything that a host agent of a data directory left; fails when that fails. */
export async function sweep(directory: string, program = PRODUCT): Promise<void> {
  const child = spawn(process.execPath, [...NODE_FLAGS, program.path, "sweep", "--data-dir", directory], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  keepLines(child.stdout, lines);
  keepLines(child.stderr, lines);
  const [status] = await once(child, "close");
  if (status !== 0) throw new Error(`sweep ended with status ${status}:\n${lines.join("\n")}`);
}

async function startServer(args: string[], environment: NodeJS.ProcessEnv): Promise<Server> {
  const child = spawn(process.execPath, [...NODE_FLAGS, ...args], {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  const log: string[] = [];
  keepLines(child.stdout, log);
  keepLines(child.stderr, log);
  const closed = once(child, "close") as Promise<[number | null]>;
  const url = await readReady(child, closed, log);
  return {
    pid: child.pid ?? 0,
    url,
    log,
    async stop() {
      child.kill("SIGTERM");
      const [status] = await closed;
      return status;
    },
    async kill() {
      child.kill("SIGKILL");
      await closed;
    },
  };
}

async function readReady(child: ChildProcess, closed: Promise<unknown>, log: string[]): Promise<string> {
  const report = createInterface(child.stdio[3] as Readable);
  const ready = (async () => {
    for await (const line of report) {
      const message = JSON.parse(line);
      if (message.ready === true) return message.url as string;
      if (message.ready === false) throw new Error(`${message.error.code}: ${message.error.message}`);
    }
    await closed;
    throw new Error(`the server ended before it was ready:\n${log.join("\n")}`);
  })();
  return ready;
}

function keepLines(stream: Readable | null, lines: string[]): void {
  if (!stream) return;
  createInterface(stream).on("line", (line) => {
    lines.push(line);
    if (lines.length > 400) lines.shift();
  });
}
