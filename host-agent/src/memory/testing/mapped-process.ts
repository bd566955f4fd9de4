import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { NODE_FLAGS } from "@warren/server/node-flags";
import type { MemoryMapping } from "../guest-memory.ts";

const PROGRAM = new URL("mapping-process.ts", import.meta.url).pathname;

/** Another process that maps a file privately and writes to it on request. */
export class MappedProcess {
  readonly mapping: MemoryMapping;
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;

  private constructor(
    child: ChildProcessByStdio<Writable, Readable, null>,
    answers: AsyncIterator<string>,
    mapping: MemoryMapping,
  ) {
    this.#process = child;
    this.#answers = answers;
    this.mapping = mapping;
  }

  static async start(path: string, length: number): Promise<MappedProcess> {
    const child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, path, String(length)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const answers = createInterface(child.stdout)[Symbol.asyncIterator]();
    const { value } = await answers.next();
    return new MappedProcess(child, answers, { pid: child.pid!, address: BigInt(value ?? 0), length });
  }

  async tell(...commands: string[]): Promise<void> {
    for (const command of commands) {
      this.#process.stdin.write(`${command}\n`);
      const { value } = await this.#answers.next();
      if (value !== "done") throw new Error(`the process answered ${value}`);
    }
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exit;
  }
}
