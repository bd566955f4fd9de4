import { setImmediate } from "node:timers/promises";
import { addressOf } from "../../linux/process-memory.ts";
import { PAGE_SIZE } from "../pages.ts";

/** Bytes of one copy buffer: long enough that the way to another thread and back costs little. */
export const COPY_BUFFER_LENGTH = 4 * 1024 * 1024;

/**
 * A fixed set of buffers through which guest memory passes on its way to disk. They begin on a page border, as direct
 * I/O demands (open(2), O_DIRECT), and have been touched: memory that was never used costs a first copy several times
 * what the copy itself does.
 */
export class CopyBuffers {
  readonly #free: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];

  private constructor() {}

  /** Allocates and touches `count` buffers, giving way to other work in between. */
  static async allocate(count: number): Promise<CopyBuffers> {
    const buffers = new CopyBuffers();
    for (let index = 0; index < count; index++) {
      const memory = Buffer.allocUnsafeSlow(COPY_BUFFER_LENGTH + PAGE_SIZE);
      const border = (PAGE_SIZE - Number(addressOf(memory) % BigInt(PAGE_SIZE))) % PAGE_SIZE;
      const buffer = memory.subarray(border, border + COPY_BUFFER_LENGTH);
      for (let position = 0; position < buffer.length; position += PAGE_SIZE) buffer[position] = 0;
      buffers.#free.push(buffer);
      await setImmediate();
    }
    return buffers;
  }

  /** Takes buffers for `bytes` if that many are free and one stays for others; undefined if not. */
  tryTake(bytes: number): Buffer[] | undefined {
    const count = Math.ceil(bytes / COPY_BUFFER_LENGTH);
    return count < this.#free.length ? this.#free.splice(0, count) : undefined;
  }

  /** Takes one buffer, as soon as one is free. */
  async take(): Promise<Buffer> {
    return this.#free.pop() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
  }

  give(buffer: Buffer): void {
    const waiter = this.#waiting.shift();
    if (waiter === undefined) this.#free.push(buffer);
    else waiter(buffer);
  }
}
