import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { NODE_FLAGS } from "@warren/server/node-flags";
import type { Readiness } from "@warren/server/supervision";
import { lockCluster } from "../database/embedded/cluster-lock.ts";
import { createLogger } from "../logging.ts";

/** As whom a process runs. */
export interface Identity {
  userId?: number;
  /** A command that becomes the process, with its arguments before those of the process. */
  launcher?: string[];
}

/** A control plane in a process of its own, as a supervisor starts it. */
export class ControlPlaneProcess {
  readonly child: ChildProcess;
  /** The readiness line. */
  readonly readiness: Promise<Readiness>;
  readonly #dataDir: string | undefined;
  readonly #output: Promise<string>;
  readonly #exit: Promise<number | null>;

  constructor(environment: Record<string, string>, { userId, launcher = [] }: Identity = {}) {
    this.#dataDir = environment.WARREN_DATA_DIR;
    const program = [process.execPath, ...NODE_FLAGS, join(import.meta.dirname, "..", "main.ts")];
    const [command, ...parameters] = [...launcher, ...program] as [string, ...string[]];
    this.child = spawn(command, parameters, {
      env: { PATH: process.env.PATH ?? "", WARREN_LISTEN: "127.0.0.1:0", WARREN_READY_FD: "3", ...environment },
      cwd: environment.WARREN_DATA_DIR === undefined ? "/" : join(environment.WARREN_DATA_DIR, ".."),
      stdio: ["pipe", "pipe", "pipe", "pipe"],
      ...(userId !== undefined && { uid: userId, gid: userId }),
    });
    this.#exit = once(this.child, "exit").then(([code]) => code as number | null);
    this.#output = Promise.all([text(this.child.stdout!), text(this.child.stderr!)]).then((parts) => parts.join(""));
    this.readiness = text(this.child.stdio[3] as Readable).then((line) => JSON.parse(line) as Readiness);
  }

  /** Address of the server; rejects when it cannot start. */
  async url(): Promise<string> {
    const readiness = await this.readiness;
    if (!readiness.ready) throw new Error(readiness.error.message);
    return readiness.url;
  }

  /** Why it cannot start. */
  async refusal(): Promise<{ code: string; message: string }> {
    const readiness = await this.readiness;
    if (readiness.ready) throw new Error("it has started");
    return readiness.error;
  }

  /** Exit status and everything that was written. */
  async ended(): Promise<{ code: number | null; output: string }> {
    return { code: await this.#exit, output: await this.#output };
  }

  /** Ends the process whatever it does, and resolves when its database has ended too. */
  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.#exit;
    if (this.#dataDir !== undefined) await databaseEnded(this.#dataDir);
  }
}

/** Resolves when no server works on the embedded database of a data directory. */
export async function databaseEnded(dataDir: string): Promise<void> {
  const directory = join(dataDir, "database");
  if (!existsSync(directory)) return;
  const lock = await lockCluster(directory, createLogger("silent"));
  lock.release();
}
