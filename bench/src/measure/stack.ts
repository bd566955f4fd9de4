import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { Warren } from "@warren/sdk";

const ROOT = resolve(import.meta.dirname, "../../..");
/** Where `warren` keeps images that all data directories can share. */
const DEFAULT_DATA_DIRECTORY = "/var/lib/warren";
const LAUNCHER = join(ROOT, "warren");

/** What the host agent keeps of a sandbox on disk, as far as a bench looks at it. */
export interface HostRecord {
  id: string;
  token: string;
  process: { pid: number };
}

/** A server of its own for a bench: `warren up` on a temporary data directory that shares images with the default one. */
export class BenchStack {
  readonly url: string;
  readonly apiKey: string;
  readonly warren: Warren;
  readonly directory: string;
  readonly #process: ChildProcess;

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
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...environment },
    });
    for await (const line of createInterface(child.stdout)) return new BenchStack(child, directory, JSON.parse(line));
    throw new Error("warren up ended before it was ready");
  }

  /** The record of a sandbox on the host. */
  async record(id: string): Promise<HostRecord> {
    const root = join(this.directory, "sandboxes");
    for (const name of await readdir(root)) {
      const record = JSON.parse(await readFile(join(root, name, "sandbox.json"), "utf8")) as HostRecord;
      if (record.id === id) return record;
    }
    throw new Error(`the host has no record of ${id}`);
  }

  /** Process id of the host agent. */
  async hostAgentPid(): Promise<number> {
    for (const name of await readdir("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      const command = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
      if (command.includes("host-agent/src/main.ts") && command.includes(this.directory)) return Number(name);
    }
    throw new Error("the host agent is not running");
  }

  /** Destroys every sandbox, ends the servers and removes the data directory. */
  async stop(): Promise<void> {
    for (const sandbox of await this.warren.sandboxes.list()) await sandbox.destroy();
    this.warren.close();
    this.#process.kill("SIGTERM");
    await once(this.#process, "close");
    await rm(this.directory, { recursive: true, force: true });
  }
}
