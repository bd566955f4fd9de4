import { setInterval } from "node:timers/promises";
import type { Logger } from "../logging.ts";
import type { Leadership } from "./leadership.ts";

/** Milliseconds between two looks for rows that are too old. */
const INTERVAL_MS = 3_600_000;

/** Rows that one transaction removes at most. */
export const REMOVED_TOGETHER = 5000;

export interface RetentionParts {
  leadership: Leadership;
  log: Logger;
  /** Of the task, for its lock. */
  name: string;
  /** What is removed, for the log. */
  what: string;
  /** Removes some of what is too old; returns how many rows: none when none is left. */
  removeSome: () => Promise<number>;
}

/** Removes rows that are older than they are to be kept. Runs in one control plane at a time. */
export class Retention {
  readonly #parts: RetentionParts;
  readonly #stop = new AbortController();
  #leading: Promise<void> = Promise.resolve();

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  /** Starts to compete for the task and to do it. */
  start(): void {
    const { leadership, name } = this.#parts;
    this.#leading = leadership.lead(name, (signal) => this.#follow(signal), this.#stop.signal);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#leading;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    try {
      await this.#removeOld(signal);
      for await (const _ of setInterval(INTERVAL_MS, undefined, { signal })) await this.#removeOld(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #removeOld(signal: AbortSignal): Promise<void> {
    const { log, what, removeSome } = this.#parts;
    try {
      let removed = 0;
      for (let some = 1; some > 0 && !signal.aborted; removed += some) some = await removeSome();
      if (removed > 0) log.info({ rows: removed }, `what is too old of ${what} was removed`);
    } catch (error) {
      log.error({ err: error }, `what is too old of ${what} could not be removed; it is looked for again later`);
    }
  }
}
