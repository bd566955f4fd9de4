import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { LASTING_SERVER_FLAGS, NODE_FLAGS } from "@warren/server/node-flags";

const PROGRAM = join(import.meta.dirname, "bare-process.ts");

/** A Fastify with one route and no logging, in a process of its own. */
export class BareServer {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(url: string, process: ChildProcess) {
    this.url = url;
    this.#process = process;
  }

  static async start(): Promise<BareServer> {
    const child = spawn(process.execPath, [...NODE_FLAGS, ...LASTING_SERVER_FLAGS, PROGRAM], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    for await (const line of createInterface(child.stdout)) return new BareServer(line, child);
    throw new Error("the bare server ended before it was ready");
  }

  async close(): Promise<void> {
    const exit = once(this.#process, "exit");
    this.#process.stdin?.destroy();
    await exit;
  }
}
