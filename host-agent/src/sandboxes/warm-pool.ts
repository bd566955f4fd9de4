import { LIMITS } from "@warren/contracts/limits";
import type { Logger } from "pino";
import type { Sandbox } from "./sandbox.ts";
import { WarmPoolDemand } from "./warm-pool-demand.ts";

/** Milliseconds after the last sign of memory pressure in which nothing is made ready. */
const REST_MS = 30_000;
/** Milliseconds for which a sandbox that was prepared waits for its first use. */
const PREPARED_MS = 600_000;

/** What may stand ready. */
export interface WarmPoolLimits {
  /** Sandboxes of each snapshot in use at most; 0 = none. */
  size: number;
  /** MiB of guest memory that all of them may have together. */
  memoryMb: number;
}

export interface WarmPoolOptions extends WarmPoolLimits {
  log: Logger;
  /**
   * Makes one: restored, warmed up and suspended, so that it costs no processor time. `isAwaited`, for one that is prepared,
   * tells whether somebody waits for it already: then it is not to be warmed up.
   */
  make: (snapshot: string, isAwaited?: () => boolean) => Promise<Sandbox>;
  drop: (sandbox: Sandbox) => Promise<void>;
}

/** What is being made ready, or stands ready, ahead of the first use of its snapshot. */
interface Prepared {
  made: Promise<void>;
  awaited: boolean;
  expiry: NodeJS.Timeout;
}

/**
 * Sandboxes that stand ready to be handed out, by the snapshot that they were started from. Each is handed out at most
 * once. Their number follows the demand, see {@link WarmPoolDemand}; they are made in the background, one at a time, so
 * that this never competes much with what callers wait for.
 */
export class WarmPool {
  readonly #options: WarmPoolOptions;
  readonly #demand: WarmPoolDemand;
  readonly #ready = new Map<string, Sandbox[]>();
  readonly #prepared = new Map<string, Prepared>();
  #filling: Promise<void> | undefined;
  /** Goes off when the demand has become less by the passing of time. */
  #aging: NodeJS.Timeout | undefined;
  /** Time of performance.now() before which nothing is made ready. */
  #restUntil = 0;
  #closed = false;

  constructor(options: WarmPoolOptions) {
    this.#options = options;
    this.#demand = new WarmPoolDemand({ ...options, ordinaryMb: LIMITS.memoryMb.default });
  }

  /** Takes a sandbox out of the pool; waits for one that is being prepared. */
  async take(snapshot: string): Promise<Sandbox | undefined> {
    const prepared = this.#prepared.get(snapshot);
    if (prepared) {
      prepared.awaited = true;
      await prepared.made;
      this.#forgetPrepared(snapshot, prepared);
    }
    return this.#ready.get(snapshot)?.shift();
  }

  /** Makes one sandbox of a snapshot ready for a request that is about to come, however large the pool is. */
  prepare(snapshot: string): void {
    if (this.#closed || this.#prepared.has(snapshot)) return;
    const expiry = setTimeout(() => {
      this.#forgetPrepared(snapshot, prepared);
      void this.#dropSurplus();
    }, PREPARED_MS);
    expiry.unref();
    const prepared: Prepared = { made: Promise.resolve(), awaited: false, expiry };
    this.#prepared.set(snapshot, prepared);
    const isWanted = () => this.#prepared.get(snapshot) === prepared;
    prepared.made = this.#makeReady(snapshot, isWanted, () => prepared.awaited);
  }

  /** A sandbox of `memoryMb` MiB was started from a snapshot: others are to stand ready. */
  want(snapshot: string, memoryMb: number): void {
    if (this.#options.size === 0 || this.#closed || performance.now() < this.#restUntil) return;
    this.#demand.used(snapshot, memoryMb, performance.now());
    this.#follow();
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

  /** Drops the sandboxes of a snapshot, from which none will be started any more. */
  async empty(snapshot: string): Promise<void> {
    this.#demand.forget(snapshot);
    const prepared = this.#prepared.get(snapshot);
    if (prepared) this.#forgetPrepared(snapshot, prepared);
    await this.#dropSurplus();
  }

  /** Drops all sandboxes to make room, until their snapshots are used again. False when there was none. */
  async giveWay(): Promise<boolean> {
    this.#demand.clear();
    const prepared = [...this.#prepared];
    for (const [snapshot, each] of prepared) this.#forgetPrepared(snapshot, each);
    const [dropped] = await Promise.all([this.#dropSurplus(), ...prepared.map(([, { made }]) => made)]);
    return dropped + prepared.length > 0;
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
    clearTimeout(this.#aging);
    await this.giveWay();
    await this.#filling;
    await this.giveWay();
  }

  /** Brings what stands ready in line with the demand. */
  #follow(): void {
    clearTimeout(this.#aging);
    void this.#dropSurplus();
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = undefined;
    });
    const delay = this.#demand.changesIn(performance.now());
    if (delay === undefined || this.#closed) return;
    this.#aging = setTimeout(() => this.#follow(), Math.ceil(delay));
    this.#aging.unref();
  }

  /** Makes what is missing, that of the snapshot first that was used last. */
  async #fill(): Promise<void> {
    for (;;) {
      const wanted = this.#demand.wanted(performance.now());
      const snapshot = [...wanted.keys()].find((id) => this.#isShort(id, wanted));
      if (snapshot === undefined || this.#closed) return;
      await this.#makeReady(snapshot, () => this.#isShort(snapshot, this.#demand.wanted(performance.now())));
    }
  }

  #isShort(snapshot: string, wanted: Map<string, number>): boolean {
    return (this.#ready.get(snapshot)?.length ?? 0) < (wanted.get(snapshot) ?? 0);
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
      this.#demand.forget(snapshot);
      log.warn({ snapshot, err: error }, "no sandbox could be made ready");
    }
  }

  /** Drops what stands ready beyond the demand. Gives the number of what was dropped. */
  async #dropSurplus(): Promise<number> {
    const wanted = this.#demand.wanted(performance.now());
    const surplus: Sandbox[] = [];
    for (const [snapshot, ready] of this.#ready) {
      const kept = Math.max(wanted.get(snapshot) ?? 0, this.#prepared.has(snapshot) ? 1 : 0);
      surplus.push(...ready.splice(kept));
      if (ready.length === 0) this.#ready.delete(snapshot);
    }
    await this.#drop(surplus);
    return surplus.length;
  }

  #forgetPrepared(snapshot: string, prepared: Prepared): void {
    clearTimeout(prepared.expiry);
    if (this.#prepared.get(snapshot) === prepared) this.#prepared.delete(snapshot);
  }

  async #drop(sandboxes: Sandbox[]): Promise<void> {
    const results = await Promise.allSettled(sandboxes.map((sandbox) => this.#options.drop(sandbox)));
    for (const result of results) {
      if (result.status === "rejected") this.#options.log.error({ err: result.reason }, "cannot drop a ready sandbox");
    }
  }
}
