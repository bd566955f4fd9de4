import { setTimeout as delay } from "node:timers/promises";
import { STATS_SAMPLE_SEC } from "@warren/contracts/rest/stats";
import type { Leadership } from "../database/leadership.ts";
import type { PartitionUpkeep } from "../database/partition-upkeep.ts";
import type { Logger } from "../logging.ts";
import type { SnapshotStore } from "./snapshot-store.ts";

const PERIOD_MS = STATS_SAMPLE_SEC * 1000;
/** How far into its period a round begins: as clocks and timers differ a little, none is left out and none comes twice. */
const OFFSET_MS = 1000;

/** Tells the time and lets it pass. */
export interface SamplerClock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Rejects when the signal is aborted. */
  wait(milliseconds: number, signal: AbortSignal): Promise<void>;
}

const SYSTEM_CLOCK: SamplerClock = {
  now: () => Date.now(),
  wait: (milliseconds, signal) => delay(milliseconds, undefined, { signal }),
};

/** What the sampler needs. */
export interface StatsSamplerParts {
  store: SnapshotStore;
  partitions: PartitionUpkeep;
  leadership: Leadership;
  log: Logger;
  clock?: SamplerClock;
}

/**
 * Notes at every multiple of {@link STATS_SAMPLE_SEC} what teams have in use. Runs in one control plane at a time. A round
 * that fails is left out, and the next one comes at its time.
 */
export class StatsSampler {
  readonly #parts: StatsSamplerParts;
  readonly #clock: SamplerClock;
  readonly #stop = new AbortController();
  #leading: Promise<void> = Promise.resolve();
  #failing = false;

  constructor(parts: StatsSamplerParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? SYSTEM_CLOCK;
  }

  /** Starts to compete for the task and to do it. */
  start(): void {
    this.#leading = this.#parts.leadership.lead("sandbox stats", (signal) => this.#follow(signal), this.#stop.signal);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#leading;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        await this.#parts.partitions.look(this.#clock.now());
        await this.#sample();
        await this.#clock.wait(PERIOD_MS + OFFSET_MS - (this.#clock.now() % PERIOD_MS), signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #sample(): Promise<void> {
    const { store, log } = this.#parts;
    const at = new Date(Math.floor(this.#clock.now() / PERIOD_MS) * PERIOD_MS);
    const begin = performance.now();
    try {
      const teams = await store.sample(at);
      log.debug({ teams, ms: performance.now() - begin }, "what teams have in use was sampled");
      this.#failing = false;
    } catch (error) {
      // A database that is away is away for many rounds.
      if (!this.#failing) log.warn({ err: error }, "what teams have in use cannot be sampled; their charts have a gap");
      this.#failing = true;
    }
  }
}
