import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { Warren } from "@warren/sdk";

const ROOT = resolve(import.meta.dirname, "../../..");
/** Where `warren` keeps images that all data directories can share. */
const DEFAULT_DATA_DIRECTORY = "/var/lib/warren";
/** The `warren` command. */
export const LAUNCHER = join(ROOT, "warren");
/** What the command line of a host agent has, run from its sources or from one file. */
const HOST_AGENT = /\/host-agent(\/src\/main\.ts|\.js)\0/;
/** Level of the log from which on a line is of interest to whoever runs a bench (pino). */
const WARNING = 40;

/** What the host agent keeps of a sandbox on disk, as far as a bench looks at it. */
export interface HostRecord {
  id: string;
  /** Name of its directory, which differs from `id` when it stood in the warm pool. */
  instance: string;
  purpose: "sandbox" | "pool" | "template";
  token: string;
  process?: { pid: number };
  memory?: { path: string };
}

/** What the host agent logs of the copy of a microVM. */
export interface CopyFigures {
  /** Milliseconds for which the vCPUs stood still. */
  stoppedMs: number;
  dirtyPages: number;
}

/** A server of its own for a bench: `warren up` on a temporary data directory that shares images with the default one. */
export class BenchStack {
  readonly url: string;
  readonly apiKey: string;
  readonly warren: Warren;
  readonly directory: string;
  readonly #process: ChildProcess;
  readonly #copyWaiters = new Map<string, (figures: CopyFigures) => void>();

  private constructor(process: ChildProcess, directory: string, ready: { url: string; api_key: string }) {
    this.#process = process;
    this.directory = directory;
    this.url = ready.url;
    this.apiKey = ready.api_key;
    this.warren = new Warren({ url: ready.url, apiKey: ready.api_key });
  }

  /** Starts it and resolves when it is ready. `environment` is added to that of the servers. */
  static async start(environment: NodeJS.ProcessEnv = {}): Promise<BenchStack> {
    const directory = await mkdtemp(join(tmpdir(), "warren-bench-"));
    for (const shared of ["images", "cache"])
      await symlink(join(DEFAULT_DATA_DIRECTORY, shared), join(directory, shared));
    const child = spawn(LAUNCHER, ["up", "--json", "--data-dir", directory, "--listen", "127.0.0.1:0"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...environment },
    });
    const entries = new EventEmitter();
    void followLog(child.stderr, entries);
    for await (const line of createInterface(child.stdout)) {
      const stack = new BenchStack(child, directory, JSON.parse(line));
      entries.on("entry", (entry) => stack.#onLog(entry));
      return stack;
    }
    throw new Error("warren up ended before it was ready");
  }

  /** Starts one for some work and stops it when that ends. */
  static async use<T>(environment: NodeJS.ProcessEnv, work: (stack: BenchStack) => Promise<T>): Promise<T> {
    const stack = await BenchStack.start(environment);
    try {
      return await work(stack);
    } finally {
      await stack.stop();
    }
  }

  /** The record of a sandbox on the host. */
  async record(id: string): Promise<HostRecord> {
    const record = (await this.records()).find((candidate) => candidate.id === id);
    if (!record) throw new Error(`the host has no record of ${id}`);
    return record;
  }

  /** Those of all sandboxes, ready ones of the warm pool included. */
  async records(): Promise<HostRecord[]> {
    const root = join(this.directory, "sandboxes");
    const texts = (await readdir(root)).map((name) =>
      readFile(join(root, name, "sandbox.json"), "utf8").catch(() => undefined),
    );
    return (await Promise.all(texts)).filter((text) => text !== undefined).map((text) => JSON.parse(text));
  }

  /** Process id of the microVM of a sandbox. */
  async vmmPid(id: string): Promise<number> {
    const { process } = await this.record(id);
    if (!process) throw new Error(`${id} has no microVM`);
    return process.pid;
  }

  /** The next copy that the host agent makes of a sandbox; to be called before what leads to it. */
  nextCopy(id: string): Promise<CopyFigures> {
    return new Promise((resolve) => this.#copyWaiters.set(id, resolve));
  }

  /** What runs the guests' instructions. */
  async accelerator(): Promise<string> {
    const sandbox = await this.warren.sandboxes.create({ memoryMb: 128 });
    const commandLine = await readFile(`/proc/${await this.vmmPid(sandbox.id)}/cmdline`, "utf8");
    await sandbox.destroy();
    return commandLine.includes("\0kvm\0") ? "kvm" : "tcg";
  }

  /** Process id of the host agent. */
  async hostAgentPid(): Promise<number> {
    for (const name of await readdir("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      const command = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
      if (HOST_AGENT.test(command) && command.includes(this.directory)) return Number(name);
    }
    throw new Error("the host agent is not running");
  }

  /** Destroys every sandbox, ends the servers and removes the data directory. */
  async stop(): Promise<void> {
    for (const sandbox of await this.warren.sandboxes.list()) await sandbox.destroy();
    await this.end();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Ends the servers; the data directory stays, with all that is paused in it. */
  async end(): Promise<void> {
    this.warren.close();
    this.#process.kill("SIGTERM");
    await once(this.#process, "close");
  }

  #onLog({ sandbox, stoppedMs, dirtyPages }: Record<string, unknown>): void {
    if (typeof sandbox !== "string" || typeof stoppedMs !== "number" || typeof dirtyPages !== "number") return;
    this.#copyWaiters.get(sandbox)?.({ stoppedMs, dirtyPages });
    this.#copyWaiters.delete(sandbox);
  }
}

/** Reads the log of the servers: shows warnings, and passes every entry on. */
async function followLog(stream: Readable, entries: EventEmitter): Promise<void> {
  for await (const line of createInterface(stream)) {
    const entry = line.startsWith("{") ? JSON.parse(line) : undefined;
    if (entry === undefined || entry.level >= WARNING) process.stderr.write(`${line}\n`);
    if (entry !== undefined) entries.emit("entry", entry);
  }
}
