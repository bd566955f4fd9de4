import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { NODE_FLAGS } from "@warren/server/node-flags";

const PROGRAM = resolve(import.meta.dirname, "../../../control-plane/src/main.ts");

/** A control plane without hosts, in a process of its own. */
export class ControlPlane {
  readonly url: string;
  readonly apiKey: string;
  readonly #process: ChildProcess;
  readonly #directory: string;

  private constructor(parts: { url: string; apiKey: string; process: ChildProcess; directory: string }) {
    this.url = parts.url;
    this.apiKey = parts.apiKey;
    this.#process = parts.process;
    this.#directory = parts.directory;
  }

  /** Starts it with its usual settings on a database; its log goes nowhere. */
  static async start(databaseUrl: string): Promise<ControlPlane> {
    const directory = await mkdtemp(join(tmpdir(), "warren-bench-control-plane-"));
    const child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM], {
      cwd: directory,
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: databaseUrl,
        WARREN_DATA_DIR: directory,
        WARREN_LISTEN: "127.0.0.1:0",
        WARREN_READY_FD: "3",
        WARREN_EXIT_WITH_PARENT: "1",
      },
      stdio: ["pipe", "ignore", "inherit", "pipe"],
    });
    const line = await text(child.stdio[3] as Readable);
    const ready = JSON.parse(line) as { ready: boolean; url: string };
    if (!ready.ready) throw new Error(`the control plane did not start: ${line}`);
    const { api_key } = JSON.parse(await readFile(join(directory, "credentials.json"), "utf8"));
    return new ControlPlane({ url: ready.url, apiKey: api_key, process: child, directory });
  }

  async close(): Promise<void> {
    const exit = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await exit;
    await rm(this.#directory, { recursive: true, force: true });
  }
}
