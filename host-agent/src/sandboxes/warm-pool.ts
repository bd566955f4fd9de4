import type { Logger } from "pino";
import type { Sandbox } from "./sandbox.ts";

/** Milliseconds after the last sign of memory pressure in which nothing is made ready. */
const REST_MS = 30_000;

export interface WarmPoolOptions {
  /** Sandboxes of each snapshot in use that stand ready; 0 = none. */
  size: number;
  log: Logger;
  /**
   * Makes one: restored, warmed up and suspended, so that it costs no processor time. `isAwaited`, for one that is prepared,
   * tells whether somebody waits for it already: then it is not to be warmed up.
   */
  make: (snapshot: string, isAwaited?: () => boolean) => Promise<Sandbox>;
  drop: (sandbox: Sandbox) => Promise<void>;
}

/**
 * Sandboxes that stand ready to be handed out, by the snapshot that they were started from. Each is handed out at most
 * once. The pool of a snapshot begins with its first use and is filled in the background, one sandbox at a time, so that
 * it never competes much with what callers wait for.
 */
export class WarmPool {
  readonly #options: WarmPoolOptions;
  readonly #ready = new Map<string, Sandbox[]>();
  /** Snapshots whose pool is to be full, in the order of their last use. */
  readonly #wanted = new Set<string>();
  #filling: Promise<void> | undefined;
  /** What is being made ready ahead of its first use, by snapshot. */
  readonly #preparing = new Map<string, { made: Promise<void>; awaited: boolean }>();
  /** Time of performance.now() before which nothing is made ready. */
  #restUntil = 0;
  #closed = false;

  constructor(options: WarmPoolOptions) {
    this.#options = options;
  }

  /** Takes a sandbox out of the pool; waits for one that is being prepared. */
  async take(snapshot: string): Promise<Sandbox | undefined> {
    const preparing = this.#preparing.get(snapshot);
    if (preparing) {
      preparing.awaited = true;
      await preparing.made;
    }
    return this.#ready.get(snapshot)?.shift();
  }

  /** Makes one sandbox of a snapshot ready for a request that is about to come, however large the pool is. */
  prepare(snapshot: string): void {
    if (this.#closed || this.#preparing.has(snapshot)) return;
    const preparing = { made: Promise.resolve(), awaited: false };
    this.#preparing.set(snapshot, preparing);
    const isWanted = () => this.#preparing.get(snapshot) === preparing;
    preparing.made = this.#makeReady(snapshot, isWanted, () => preparing.awaited).finally(() => {
      if (isWanted()) this.#preparing.delete(snapshot);
    });
  }

  /** A sandbox was started from a snapshot: others are to stand ready. */
  want(snapshot: string): void {
    if (this.#options.size === 0 || this.#closed || performance.now() < this.#restUntil) return;
    this.#wanted.delete(snapshot);
    this.#wanted.add(snapshot);
    this.#fill();
  }

  /** The microVM of a sandbox that stood ready has ended. */
  lost(sandbox: Sandbox): void {
    for (const ready of this.#ready.values()) {
      const index = ready.indexOf(sandbox);
      if (index < 0) continue;
      ready.splice(index, 1);
      this.#drop([sandbox]).catch(() => undefined);
    }
  }

  /** Drops the sandboxes of a snapshot and makes no more. */
  async empty(snapshot: string): Promise<void> {
    this.#wanted.delete(snapshot);
    await this.#drop(this.#ready.get(snapshot)?.splice(0) ?? []);
  }

  /** Drops all sandboxes to make room, until their snapshots are used again. False when there was none. */
  async giveWay(): Promise<boolean> {
    this.#wanted.clear();
    const preparing = [...this.#preparing.values()];
    this.#preparing.clear();
    const all = [...this.#ready.values()].flatMap((ready) => ready.splice(0));
    await Promise.all([this.#drop(all), ...preparing.map(({ made }) => made)]);
    return all.length + preparing.length > 0;
  }

  /** The host is short of memory: drops all sandboxes, and makes none ready for a while. */
  async yieldMemory(): Promise<void> {
    this.#restUntil = performance.now() + REST_MS;
    if (await this.giveWay())
      this.#options.log.info("the host is short of memory: no sandboxes are kept ready for now");
  }

  /** Drops all sandboxes for good. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.giveWay();
    await this.#filling;
    await this.giveWay();
  }

  #fill(): void {
    this.#filling ??= this.#fillAll().finally(() => {
      this.#filling = undefined;
    });
  }

  async #fillAll(): Promise<void> {
    for (;;) {
      const snapshot = [...this.#wanted].find((id) => (this.#ready.get(id)?.length ?? 0) < this.#options.size);
      if (snapshot === undefined || this.#closed) return;
      await this.#makeReady(snapshot, () => this.#wanted.has(snapshot));
    }
  }

  /** Makes one; `isWanted` tells at the end whether to keep it. Never rejects. */
  async #makeReady(snapshot: string, isWanted: () => boolean, isAwaited?: () => boolean): Promise<void> {
    const { make, log } = this.#options;
    try {
      const sandbox = await make(snapshot, isAwaited);
      const ready = this.#ready.get(snapshot) ?? [];
      this.#ready.set(snapshot, ready);
      if (isWanted() && !this.#closed) ready.push(sandbox);
      else await this.#drop([sandbox]);
    } catch (error) {
      // The next use of the snapshot tries again; who starts a sandbox meanwhile waits for it to be restored.
      this.#wanted.delete(snapshot);
      log.warn({ snapshot, err: error }, "no sandbox could be made ready");
    }
  }

  async #drop(sandboxes: Sandbox[]): Promise<void> {
    const results = await Promise.allSettled(sandboxes.map((sandbox) => this.#options.drop(sandbox)));
    for (const result of results) {
      if (result.status === "rejected") this.#options.log.error({ err: result.reason }, "cannot drop a ready sandbox");
    }
  }
}
