import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { CACHE_DIRECTORY, IMAGES_DIRECTORY, sweep } from "./stack.ts";

/** The launcher, as users start it. */
export const WARREN = resolve(import.meta.dirname, "../../warren");

/** How a command of the launcher ended. */
export interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: string;
}

/** A command of the launcher that runs. */
export interface Running {
  child: ChildProcess;
  /** Process of the command itself: the launcher becomes it. */
  pid: number;
  ended: Promise<Ended>;
  /** Resolves with standard output once it has `text` in it; rejects when the command ends first. */
  printed(text: string): Promise<string>;
}

export interface StartOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Standard input, whole; absent = at its end from the start. */
  input?: Buffer | string;
  /** Leave standard output to the caller to read. */
  unread?: boolean;
}

/** Starts a command of the launcher. */
export function start(args: string[], { env = {}, cwd, input, unread = false }: StartOptions = {}): Running {
  const child = spawn(WARREN, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, WARREN_URL: undefined, WARREN_API_KEY: undefined, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  // A command may end before it has read its input.
  child.stdin.on("error", () => undefined).end(input);
  const stdout: Buffer[] = [];
  let stderr = "";
  if (!unread) child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = once(child, "close").then(([status, signal]) => ({
    status,
    signal,
    stdout: Buffer.concat(stdout),
    stderr,
  }));
  const printed = (text: string) =>
    new Promise<string>((found, missed) => {
      const look = () => {
        const all = Buffer.concat(stdout).toString();
        if (all.includes(text)) found(all);
      };
      child.stdout.on("data", look);
      look();
      void ended.then(({ status }) => missed(new Error(`it ended with status ${status} and said\n${stderr}`)));
    });
  return { child, pid: child.pid ?? 0, ended, printed };
}

/** Runs a command of the launcher to its end. */
export function run(args: string[], options: StartOptions = {}): Promise<Ended> {
  return start(args, options).ended;
}

/** A data directory with the images of all tests, and what removes it with all that servers left on it. */
export async function makeDataDirectory(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "warren-cli-test-"));
  await symlink(IMAGES_DIRECTORY, join(path, "images"));
  await mkdir(CACHE_DIRECTORY, { recursive: true });
  await symlink(CACHE_DIRECTORY, join(path, "cache"));
  return {
    path,
    async remove() {
      await sweep(path);
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** What `warren up --json` says when it is ready. */
export interface UpReady {
  url: string;
  api_key: string;
  docs_url: string;
  setup_url: string | null;
}

/** Starts `warren up --json`, on a free port unless told, and waits until it is ready. `env` is added to its environment. */
export async function startUp(
  dataDir: string,
  listen = "127.0.0.1:0",
  env: NodeJS.ProcessEnv = {},
): Promise<Running & { ready: UpReady }> {
  const up = start(["up", "--data-dir", dataDir, "--listen", listen, "--json"], { env });
  const line = await up.printed("\n");
  return { ...up, ready: JSON.parse(line) };
}
