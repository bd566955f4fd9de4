import { uptime } from "node:os";
import type { Logger } from "pino";
import type { DiskLayers } from "../../disk/layers.ts";
import type { ProcessIdentity } from "../../linux/process-identity.ts";
import type { SlotPool } from "../../network/network.ts";
import type { LiveMicrovm } from "../state/microvm.ts";
import type { SandboxRegistry } from "../state/registry.ts";
import type { Sandbox } from "../state/sandbox.ts";
import { type Account, type MachineCounters, openAccount, settle } from "./account.ts";
import { GuestMemory } from "./guest-memory.ts";
import { type Collected, Ledger, type LedgerCursor } from "./ledger.ts";
import { LedgerFiles } from "./ledger-files.ts";

const MIB = 1024 * 1024;
/** Milliseconds that one point of a sandbox without a microVM stands for: nothing happens to it. */
const PAUSED_POINT_MS = 60_000;
/** Sandboxes that are read at the same time. */
const PARALLEL_READS = 16;
/** Milliseconds of a clock tick of /proc. */
const TICK_MS = 10;
const NOTHING: MachineCounters = { cpuUs: 0, rxBytes: 0, txBytes: 0 };

export interface MeterParts {
  dataDirectory: string;
  registry: SandboxRegistry;
  slots: SlotPool;
  disks: DiskLayers;
  /** Milliseconds between two rounds. */
  metricsIntervalMs: number;
  log: Logger;
}

/**
 * Measures what sandboxes use, from the control group, process and network card of each microVM, in one round for all of
 * them. What is counted is settled whenever a microVM begins or is about to end as well, so that it is exact whatever lies
 * between two rounds. A microVM that runs on without a host agent is counted when the next one takes it up.
 */
export class Meter {
  readonly #parts: MeterParts;
  readonly #files: LedgerFiles;
  readonly #guestMemory: GuestMemory;
  #ledger = new Ledger();
  /** When accounts were settled last, by a clock that nobody puts forward or back. */
  readonly #settledAt = new WeakMap<Account, number>();
  /** What the microVMs have used that are being taken up may have been counted: what was, is lost. */
  #isAnew = false;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(parts: MeterParts) {
    this.#parts = parts;
    this.#files = new LedgerFiles(parts.dataDirectory, parts.log);
    this.#guestMemory = new GuestMemory(parts.metricsIntervalMs);
  }

  /** Reads what an earlier host agent has counted. Must end before the first microVM is taken up or started. */
  async open(): Promise<void> {
    this.#ledger = await this.#files.open();
    this.#isAnew = this.#ledger.isNew;
  }

  /** Begins with the rounds, once all sandboxes are taken up. */
  start(): void {
    this.#isAnew = false;
    this.#plan();
  }

  /** Ends with a last round, so that nothing is left out that was used until now. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#round;
    await this.measure();
  }

  /** What has been measured and was not acknowledged. */
  collect(acknowledged: LedgerCursor | undefined): Collected {
    return this.#ledger.collect(acknowledged);
  }

  /** A sandbox has a microVM from now on; what one has used that stood ready is nobody's. */
  began(sandbox: Sandbox, live: LiveMicrovm, stoodReady: boolean): void {
    if (sandbox.record.purpose !== "sandbox") return;
    const startedAt = startOf(sandbox, live.vm.process);
    const account = this.#accountOf(sandbox, startedAt);
    const process = processKey(live.vm.process);
    // One that outlived an earlier host agent goes on where that left it.
    if (account.machine?.process === process) return;
    this.#settle(account);
    this.#tellPause(account, stoodReady ? account.at : startedAt);
    if (stoodReady || this.#isAnew) void this.#countFromNow(sandbox, live, account);
    else account.machine = { process, ...NOTHING };
  }

  /** The microVM of a sandbox, if it has one, is about to be ended, or has ended. */
  async ending(sandbox: Sandbox): Promise<void> {
    const account = this.#ledger.accounts.get(sandbox.id);
    if (!account?.machine || sandbox.record.purpose !== "sandbox") return;
    try {
      const { live } = sandbox;
      const isIts = live && processKey(live.vm.process) === account.machine.process;
      // Nobody knows when one ended that was not found again: it is counted up to when it was seen last.
      if (!isIts && !this.#settledAt.has(account)) delete account.machine;
      this.#settle(account, isIts ? (await this.#read(live)).counters : undefined);
    } catch (error) {
      this.#warn(error, sandbox.id);
    }
    delete account.machine;
  }

  /** One round over all sandboxes. Never rejects. */
  async measure(): Promise<void> {
    const { registry, log } = this.#parts;
    const left = registry.list();
    const there = new Set(left.map(({ id }) => id));
    for (const account of this.#ledger.accounts.values()) if (!there.has(account.id)) this.#end(account);
    const next = async () => {
      for (let sandbox = left.pop(); sandbox; sandbox = left.pop()) {
        await this.#measureOne(sandbox).catch((error: unknown) => this.#warn(error, sandbox.id));
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_READS }, next));
    const dropped = this.#ledger.nextRound();
    if (dropped.points + dropped.accounts > 0) {
      log.warn(dropped, "no control plane has taken what was measured of sandboxes; the oldest of it is given up");
    }
    await this.#files.write(this.#ledger).catch((error: unknown) => {
      log.warn({ err: error }, "what sandboxes have used could not be written");
    });
  }

  /** Counts what a microVM uses beyond what its counters say now, from when that is known. */
  async #countFromNow(sandbox: Sandbox, live: LiveMicrovm, account: Account): Promise<void> {
    const { counters } = await this.#read(live).catch((error: unknown) => {
      this.#warn(error, sandbox.id);
      return { counters: NOTHING };
    });
    if (sandbox.live !== live) return;
    this.#settle(account);
    account.machine = { process: processKey(live.vm.process), ...counters };
  }

  #plan(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#round = this.measure().then(() => this.#plan());
    }, this.#parts.metricsIntervalMs);
    this.#timer.unref();
  }

  async #measureOne(sandbox: Sandbox): Promise<void> {
    const { live, record } = sandbox;
    const account = this.#accountOf(sandbox, Math.max(record.createdAt, 0));
    const isIts = live !== undefined && processKey(live.vm.process) === account.machine?.process;
    const [read, diskBytes] = await Promise.all([isIts ? this.#read(live) : undefined, this.#diskBytes(sandbox)]);
    // It was ended meanwhile, and settled then.
    if (account.ended || (isIts && account.machine?.process !== processKey(live.vm.process))) return;
    this.#settle(account, read?.counters);
    account.diskMb = diskBytes / MIB;
    if (isIts) this.#guestMemory.look(sandbox, live);
    this.#addPoint(account, {
      vmmMemoryBytes: read?.memoryBytes ?? 0,
      diskBytes,
      ...(isIts ? this.#guestMemory.of(live) : { memoryBytes: 0 }),
    });
  }

  #addPoint(account: Account, gauges: { vmmMemoryBytes: number; diskBytes: number; memoryBytes?: number }): void {
    const { id, at, span } = account;
    const spanMs = Math.max(0, at - span.since);
    const { isLive, cpuUs, rxBytes, txBytes } = span;
    if (!isLive && spanMs < PAUSED_POINT_MS) return;
    this.#ledger.add({ sandboxId: id, at, spanMs, cpuUs, rxBytes, txBytes, ...gauges });
    account.span = { since: at, isLive: false, cpuUs: 0, rxBytes: 0, txBytes: 0 };
  }

  /** Tells of a time without a microVM that ends: the next point would have it as one with it. */
  #tellPause(account: Account, until: number): void {
    const { id, diskMb, span } = account;
    const spanMs = until - span.since;
    if (span.isLive || spanMs < this.#parts.metricsIntervalMs) return;
    const gauges = { vmmMemoryBytes: 0, memoryBytes: 0, diskBytes: diskMb * MIB };
    this.#ledger.add({ sandboxId: id, at: until, spanMs, ...NOTHING, ...gauges });
    account.span = { since: until, isLive: false, ...NOTHING };
  }

  #accountOf({ record }: Sandbox, since: number): Account {
    const { id, teamId, spec } = record;
    const known = this.#ledger.accounts.get(id);
    // Ended by itself, and not destroyed yet: its id is the same sandbox's.
    if (known) return known;
    const at = Math.min(since, Date.now());
    const account = openAccount({ id, teamId, memoryMb: spec.memoryMb, at });
    this.#ledger.accounts.set(id, account);
    return account;
  }

  #settle(account: Account, counters?: MachineCounters): void {
    const now = Date.now();
    const ticks = performance.now();
    const before = this.#settledAt.get(account);
    // By the clock of the day only across a restart, when no other was there.
    const elapsedMs = before === undefined ? Math.max(0, now - account.at) : ticks - before;
    settle(account, { now, elapsedMs, round: this.#ledger.round, counters });
    this.#settledAt.set(account, ticks);
  }

  #end(account: Account): void {
    if (account.ended) return;
    delete account.machine;
    this.#addPoint(account, { vmmMemoryBytes: 0, diskBytes: 0, memoryBytes: 0 });
    account.ended = true;
  }

  async #read({ vm, slot }: LiveMicrovm): Promise<{ counters: MachineCounters; memoryBytes: number }> {
    const traffic = this.#parts.slots.traffic(slot);
    const { cpuMicroseconds, memoryBytes } = await vm.usage();
    const [rxBytes, txBytes] = [traffic?.receivedBytes ?? 0, traffic?.sentBytes ?? 0];
    return { counters: { cpuUs: cpuMicroseconds, rxBytes, txBytes }, memoryBytes };
  }

  /** Bytes on disk that are a sandbox's own: those of its layers above its template's, or of its pause. */
  async #diskBytes({ record, live }: Sandbox): Promise<number> {
    const { layers } = record.disk;
    if (!live) return record.diskBytes ?? 0;
    const own = layers.length > 1 ? layers.slice(0, -1) : layers;
    // A layer may be merged into another at this moment.
    return this.#parts.disks.allocatedBytes(own).catch(() => record.diskBytes ?? 0);
  }

  #warn(error: unknown, sandbox: string): void {
    this.#parts.log.warn({ sandbox, err: error }, "what a sandbox uses could not be measured");
  }
}

function processKey({ pid, startTicks }: ProcessIdentity): string {
  return `${pid}:${startTicks}`;
}

/** When a sandbox began to have a microVM, in milliseconds since the epoch: some stood ready before they were its own. */
function startOf({ record }: Sandbox, { startTicks }: ProcessIdentity): number {
  const bootedAt = Date.now() - uptime() * 1000;
  return Math.max(record.createdAt, bootedAt + Number(startTicks) * TICK_MS);
}
