import { type ErrorCode, WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import type { Logger } from "pino";
import { hostLoad } from "../../guest/host-load.ts";
import type { Sandbox } from "../state/sandbox.ts";
import { abortable } from "./abortable.ts";
import { WarmPoolDemand, type WarmPoolLimits } from "./warm-pool-demand.ts";

/** Milliseconds after the last sign of memory pressure in which nothing is made ready. */
const REST_MS = 30_000;
/** Milliseconds for which a sandbox that was prepared waits for its first use. */
const PREPARED_MS = 600_000;
/** Milliseconds for which one may be made on an idle host; more by its load. */
const MAKE_LIMIT_MS = 60_000;
/** Failures that are no fault of the snapshot: the next use of it tries again. */
const NOT_ITS_FAULT: readonly ErrorCode[] = ["host_full", "host_disk_full"];
/** Why one that is being made is ended before its time. */
const NOT_NEEDED = new Error("the sandbox is no longer to stand ready");

export interface WarmPoolOptions extends WarmPoolLimits {
  log: Logger;
  /**
   * Makes one: restored, warmed up and suspended, so that it costs no processor time. When `signal` aborts, it rejects as
   * soon as nothing of it is left. `isAwaited`, for one that is prepared, tells whether somebody waits for it already: then
   * it is not to be warmed up.
   */
  make: (snapshot: string, signal: AbortSignal, isAwaited?: () => boolean) => Promise<Sandbox>;
  drop: (sandbox: Sandbox) => Promise<void>;
}

/** What is being made ready, or stands ready, ahead of the first use of its snapshot. */
interface Prepared {
  made: Promise<void>;
  awaited: boolean;
  expiry: NodeJS.Timeout;
}

/** One that is being made. */
interface Making {
  snapshot: string;
  abort: AbortController;
  done: Promise<void>;
}

/**
 * Sandboxes that stand ready to be handed out, by the snapshot that they were started from. Each is handed out at most
 * once. Their number follows the demand, see {@link WarmPoolDemand}; they are made in the background, one at a time, so
 * that this never competes much with what callers wait for. A guest may do what it can to keep this from ending: each has a
 * limit of time, its snapshot is left alone for a while once that has passed, and those that went well before come first.
 */
export class WarmPool {
  readonly #options: WarmPoolOptions;
  readonly #demand: WarmPoolDemand;
  readonly #ready = new Map<string, Sandbox[]>();
  readonly #prepared = new Map<string, Prepared>();
  readonly #making = new Set<Making>();
  /** Those that are on their way out and have yet to give back what they take. */
  readonly #dropping = new Set<Promise<void>>();
  /** Snapshots of which one has become ready, and none has failed since. */
  readonly #proven = new Set<string>();
  /** How often a sandbox was asked for that stood ready, and that did not. */
  readonly uses = { hits: 0, misses: 0 };
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

  /** Takes a sandbox out of the pool; waits for one that is being prepared, until `signal` aborts. */
  async take(snapshot: string, signal?: AbortSignal): Promise<Sandbox | undefined> {
    const prepared = this.#prepared.get(snapshot);
    if (prepared) {
      prepared.awaited = true;
      await (signal ? abortable(prepared.made, signal) : prepared.made);
      this.#forgetPrepared(snapshot, prepared);
    }
    const sandbox = this.#ready.get(snapshot)?.shift();
    this.uses[sandbox ? "hits" : "misses"] += 1;
    return sandbox;
  }

  /** Sandboxes that stand ready. */
  get size(): number {
    return this.#ready.values().reduce((sum, { length }) => sum + length, 0);
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
      void this.#drop([sandbox]);
    }
  }

  /** Drops the sandboxes of a snapshot, from which none will be started any more. */
  async empty(snapshot: string): Promise<void> {
    this.#demand.forget(snapshot);
    this.#proven.delete(snapshot);
    this.#end(snapshot);
    const prepared = this.#prepared.get(snapshot);
    if (prepared) this.#forgetPrepared(snapshot, prepared);
    await this.#dropSurplus();
  }

  /**
   * Drops all sandboxes so that what callers ask for has their place, and ends what is being made, until their snapshots are
   * used again. False when there was none.
   */
  async evict(): Promise<boolean> {
    this.#demand.clear();
    for (const [snapshot, each] of this.#prepared) this.#forgetPrepared(snapshot, each);
    void this.#dropSurplus();
    const going = [...this.#end().map(({ done }) => done), ...this.#dropping];
    await Promise.all(going);
    return going.length > 0;
  }

  /** The host is short of memory: drops all sandboxes, and makes none ready for a while. */
  async yieldMemory(): Promise<void> {
    this.#restUntil = performance.now() + REST_MS;
    if (await this.evict()) this.#options.log.info("the host is short of memory: no sandboxes are kept ready for now");
  }

  /** Drops all sandboxes for good. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#aging);
    await this.evict();
    await this.#filling;
    await this.evict();
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

  /** Makes what is missing: of those that went well before, and then of all, that of the snapshot first that was used last. */
  async #fill(): Promise<void> {
    for (;;) {
      const wanted = this.#demand.wanted(performance.now());
      const short = [...wanted.keys()].filter((id) => this.#isShort(id, wanted));
      const snapshot = short.find((id) => this.#proven.has(id)) ?? short[0];
      if (snapshot === undefined || this.#closed) return;
      await this.#makeReady(snapshot, () => this.#isShort(snapshot, this.#demand.wanted(performance.now())));
    }
  }

  #isShort(snapshot: string, wanted: Map<string, number>): boolean {
    return (this.#ready.get(snapshot)?.length ?? 0) < (wanted.get(snapshot) ?? 0);
  }

  /** Makes one; `isWanted` tells at the end whether to keep it. Never rejects. */
  #makeReady(snapshot: string, isWanted: () => boolean, isAwaited?: () => boolean): Promise<void> {
    const abort = new AbortController();
    const late = new WarrenError("guest_unreachable", "a sandbox did not become ready in time");
    const limit = setTimeout(() => abort.abort(late), MAKE_LIMIT_MS * hostLoad());
    limit.unref();
    const done = this.#make(snapshot, abort.signal, isWanted, isAwaited).finally(() => {
      clearTimeout(limit);
      this.#making.delete(making);
    });
    const making: Making = { snapshot, abort, done };
    this.#making.add(making);
    return done;
  }

  async #make(
    snapshot: string,
    signal: AbortSignal,
    isWanted: () => boolean,
    isAwaited?: () => boolean,
  ): Promise<void> {
    try {
      const sandbox = await this.#options.make(snapshot, signal, isAwaited);
      const ready = this.#ready.get(snapshot) ?? [];
      this.#ready.set(snapshot, ready);
      if (isWanted() && !this.#closed) {
        this.#proven.add(snapshot);
        ready.push(sandbox);
      } else await this.#drop([sandbox]);
    } catch (error) {
      if (signal.reason !== NOT_NEEDED) this.#failed(snapshot, signal.aborted ? signal.reason : error);
    }
  }

  /** Who starts a sandbox of the snapshot meanwhile waits for it to be restored. */
  #failed(snapshot: string, error: unknown): void {
    this.#options.log.warn({ snapshot, err: error }, "no sandbox could be made ready");
    this.#proven.delete(snapshot);
    if (error instanceof WarrenError && NOT_ITS_FAULT.includes(error.code)) this.#demand.forget(snapshot);
    else this.#demand.ignore(snapshot, performance.now());
  }

  /** Ends what is being made of a snapshot, or of all, and gives it. */
  #end(snapshot?: string): Making[] {
    const ended = [...this.#making].filter((making) => snapshot === undefined || making.snapshot === snapshot);
    for (const { abort } of ended) abort.abort(NOT_NEEDED);
    return ended;
  }

  /** Drops what stands ready beyond the demand. */
  async #dropSurplus(): Promise<void> {
    const wanted = this.#demand.wanted(performance.now());
    const surplus: Sandbox[] = [];
    for (const [snapshot, ready] of this.#ready) {
      const kept = Math.max(wanted.get(snapshot) ?? 0, this.#prepared.has(snapshot) ? 1 : 0);
      surplus.push(...ready.splice(kept));
      if (ready.length === 0) this.#ready.delete(snapshot);
    }
    if (surplus.length > 0) await this.#drop(surplus);
  }

  #forgetPrepared(snapshot: string, prepared: Prepared): void {
    clearTimeout(prepared.expiry);
    if (this.#prepared.get(snapshot) === prepared) this.#prepared.delete(snapshot);
  }

  /** Never rejects. */
  async #drop(sandboxes: Sandbox[]): Promise<void> {
    const gone = this.#dropAll(sandboxes).finally(() => this.#dropping.delete(gone));
    this.#dropping.add(gone);
    await gone;
  }

  async #dropAll(sandboxes: Sandbox[]): Promise<void> {
    const results = await Promise.allSettled(sandboxes.map((sandbox) => this.#options.drop(sandbox)));
    for (const result of results) {
      if (result.status === "rejected") this.#options.log.error({ err: result.reason }, "cannot drop a ready sandbox");
    }
  }
}
