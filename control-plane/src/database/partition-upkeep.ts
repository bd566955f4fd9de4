import type { Logger } from "../logging.ts";
import type { Partitions } from "./partitions.ts";

/** Milliseconds between two looks after partitions, and those after one that failed. */
const INTERVAL_MS = 3_600_000;
const RETRY_MS = 60_000;

/** Looks after tables that are partitioned by time whenever that is due, which it is as well once the clock was set back. */
export class PartitionUpkeep {
  readonly #tables: readonly Pick<Partitions, "maintain">[];
  readonly #log: Logger;
  /** When the last look was and when the next is due, milliseconds since the epoch. */
  #next: { from: number; due: number } | undefined;

  constructor(tables: readonly Pick<Partitions, "maintain">[], log: Logger) {
    this.#tables = tables;
    this.#log = log;
  }

  /** Does what is due at a time, milliseconds since the epoch. Never rejects: what fails is due again soon. */
  async look(now: number): Promise<void> {
    if (this.#next && now >= this.#next.from && now < this.#next.due) return;
    this.#next = { from: now, due: now + INTERVAL_MS };
    for (const table of this.#tables) {
      await table.maintain(new Date(now)).catch((error: unknown) => {
        this.#next = { from: now, due: now + RETRY_MS };
        this.#log.warn({ err: error }, "partitions of a table could not be looked after; trying again in a minute");
      });
    }
  }
}
