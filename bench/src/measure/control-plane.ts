import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import type { Checkout } from "./checkout.ts";
import { timed } from "./timing.ts";

/** A control plane without hosts, in a process of its own, as `warren up` runs it. */
export class ControlPlane {
  readonly url: string;
  readonly apiKey: string;
  readonly pid: number;
  /** Milliseconds from its start to its first answer to `GET /health`. */
  readonly startMs: number;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, ready: { url: string; apiKey: string; startMs: number }) {
    this.#process = process;
    this.pid = process.pid!;
    this.url = ready.url;
    this.apiKey = ready.apiKey;
    this.startMs = ready.startMs;
  }

  /**
   * Starts it with its usual settings, on the database of a connection string or on the embedded one. Its log goes nowhere,
   * or in all detail to `onLine`; `environment` is added to its own.
   */
  static async start(
    checkout: Checkout,
    directory: string,
    databaseUrl?: string,
    onLine?: (line: string) => void,
    environment: NodeJS.ProcessEnv = {},
  ): Promise<ControlPlane> {
    const begin = performance.now();
    const child = spawn(checkout.node, checkout.server("control-plane"), {
      cwd: directory,
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: checkout.compileCache,
        ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
        WARREN_DATA_DIR: directory,
        WARREN_LISTEN: "127.0.0.1:0",
        WARREN_READY_FD: "3",
        WARREN_EXIT_WITH_PARENT: "1",
        ...(onLine && { WARREN_LOG_LEVEL: "debug" }),
        ...environment,
      },
      stdio: ["pipe", onLine ? "pipe" : "ignore", "inherit", "pipe"],
    });
    if (onLine) createInterface(child.stdout!).on("line", onLine);
    const line = await text(child.stdio[3] as Readable);
    if (line === "") throw new Error("the control plane ended before it was ready");
    const ready = JSON.parse(line) as { ready: boolean; url: string };
    if (!ready.ready) throw new Error(`the control plane did not start: ${line}`);
    const answer = await fetch(`${ready.url}/health`);
    if (!answer.ok) throw new Error(`the control plane is not healthy: ${await answer.text()}`);
    const startMs = performance.now() - begin;
    const { api_key } = JSON.parse(await readFile(join(directory, "credentials.json"), "utf8"));
    return new ControlPlane(child, { url: ready.url, apiKey: api_key, startMs });
  }

  /** Milliseconds until it is gone. */
  async stop(): Promise<number> {
    const { ms } = await timed(async () => {
      const exit = once(this.#process, "exit");
      this.#process.kill("SIGTERM");
      await exit;
    });
    return ms;
  }
}

/** A data directory for some work. */
export async function withDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "warren-bench-control-plane-"));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
