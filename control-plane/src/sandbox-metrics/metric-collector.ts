import { setTimeout as delay } from "node:timers/promises";
import type {
  CollectMetricsResponse,
  MetricPoint,
  SandboxUsage,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { Leadership } from "../database/leadership.ts";
import type { PartitionUpkeep } from "../database/partition-upkeep.ts";
import type { Db } from "../database/tables.ts";
import type { HostClientPool } from "../hosts/host-client-pool.ts";
import type { HostStore, MonitoredHost } from "../hosts/host-store.ts";
import { callHost } from "../hosts/rpc-errors.ts";
import type { Logger } from "../logging.ts";
import { type CountedUsage, isLedger, type UsageStore } from "../usage/usage-store.ts";
import type { MeasuredSpan } from "./metric-buckets.ts";
import type { Collection, MetricStore } from "./metric-store.ts";

/** Milliseconds that a host has to answer. */
const CALL_TIMEOUT_MS = 10_000;
/** Answers of one host that are taken in one round: what is left comes with the next one. */
const ANSWERS = 20;

export interface MetricCollectorParts {
  db: Db;
  metrics: MetricStore;
  usage: UsageStore;
  partitions: PartitionUpkeep;
  hosts: HostStore;
  hostClients: HostClientPool;
  leadership: Leadership;
  /** Called after each round, once the hosts that were visited in it have answered or failed to. */
  onCollected: (signal: AbortSignal) => Promise<void>;
  /** Milliseconds between two rounds. */
  intervalMs: number;
  log: Logger;
}

/**
 * Takes from every host what its sandboxes have used, by one call in each round. Each answer is kept in one transaction with
 * the note that it is, by which the next call acknowledges it: what is given twice counts once, and what a host could not
 * give comes when it can. Runs in one control plane at a time. A host that does not answer delays no other.
 */
export class MetricCollector {
  readonly #parts: MetricCollectorParts;
  readonly #stop = new AbortController();
  readonly #visits = new Map<string, Promise<void>>();
  /** What follows from a round, until it is done. */
  #following: Promise<void> | undefined;
  #leading: Promise<void> = Promise.resolve();

  constructor(parts: MetricCollectorParts) {
    this.#parts = parts;
  }

  /** Starts to compete for the task and to do it. */
  start(): void {
    this.#leading = this.#parts.leadership.lead("metrics", (signal) => this.#follow(signal), this.#stop.signal);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#leading;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        await this.#parts.partitions.look(Date.now());
        const visits = await this.#round(signal);
        this.#following ??= this.#conclude(visits, signal).finally(() => {
          this.#following = undefined;
        });
        await delay(this.#parts.intervalMs, undefined, { signal });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await Promise.all([...this.#visits.values(), this.#following]);
    }
  }

  /** Starts a visit to every host that is not being visited; returns these visits. */
  async #round(signal: AbortSignal): Promise<Promise<void>[]> {
    const { hosts, log } = this.#parts;
    const visits: Promise<void>[] = [];
    try {
      for (const host of await hosts.listMonitored()) {
        if (this.#visits.has(host.id)) continue;
        const visit = this.#collect(host, signal)
          .catch((error: unknown) => log.debug({ err: error, host: host.id }, "a host does not tell what was used"))
          .finally(() => this.#visits.delete(host.id));
        this.#visits.set(host.id, visit);
        visits.push(visit);
      }
    } catch (error) {
      log.error({ err: error }, "hosts could not be listed");
    }
    return visits;
  }

  async #conclude(visits: Promise<void>[], signal: AbortSignal): Promise<void> {
    const { onCollected, log } = this.#parts;
    await Promise.all(visits);
    if (signal.aborted) return;
    await onCollected(signal).catch((error: unknown) =>
      log.error({ err: error }, "what teams may use in a month could not be looked at"),
    );
  }

  /** Takes what a host has to say; what is given after the end of the signal comes again. */
  async #collect(host: MonitoredHost, signal: AbortSignal): Promise<void> {
    const { hostClients, metrics, log } = this.#parts;
    let kept = await metrics.collectionOf(host.id);
    for (let answers = 0; answers < ANSWERS; answers++) {
      const acknowledged = kept && { ledger: kept.ledger, points: BigInt(kept.points), usage: BigInt(kept.usage) };
      const agent = hostClients.agentOf(host);
      const answer = await callHost(() =>
        agent.collectMetrics(acknowledged ? { acknowledged } : {}, { timeoutMs: CALL_TIMEOUT_MS, signal }),
      );
      const next = await this.#keep(host.id, kept, answer).catch((error: unknown) => {
        log.error({ err: error, host: host.id }, "what sandboxes of a host have used could not be kept");
        return undefined;
      });
      if (!next || (answer.points.length === 0 && answer.usage.length === 0)) return;
      kept = next;
      if (!answer.more || signal.aborted) return;
    }
  }

  /** Keeps an answer; undefined when it named no place, or another control plane was first to take it. */
  async #keep(
    hostId: string,
    before: Collection | undefined,
    { points, usage, cursor }: CollectMetricsResponse,
  ): Promise<Collection | undefined> {
    const { db, metrics, usage: usageStore } = this.#parts;
    if (!cursor || !isLedger(cursor.ledger)) return undefined;
    const after = { ledger: cursor.ledger, points: Number(cursor.points), usage: Number(cursor.usage) };
    const now = Date.now();
    return db.transaction().execute(async (transaction) => {
      if (!(await metrics.advance(hostId, before, after, transaction))) return undefined;
      await metrics.add(hostId, points.map(toSpan), now, transaction);
      await usageStore.add(
        hostId,
        usage.map((each) => toUsage(each, after.ledger)),
        now,
        transaction,
      );
      return after;
    });
  }
}

function toSpan(point: MetricPoint): MeasuredSpan {
  return {
    sandboxId: point.sandboxId,
    at: Number(point.atUnixMs),
    spanMs: Number(point.spanMs),
    cpuUs: Number(point.cpuUs),
    rxBytes: Number(point.rxBytes),
    txBytes: Number(point.txBytes),
    memoryBytes: point.memoryBytes === undefined ? undefined : Number(point.memoryBytes),
    vmmMemoryBytes: Number(point.vmmMemoryBytes),
    diskBytes: Number(point.diskBytes),
  };
}

function toUsage(usage: SandboxUsage, ledger: string): CountedUsage {
  return {
    sandboxId: usage.sandboxId,
    ledger,
    day: usage.day,
    cpuUs: Number(usage.cpuUs),
    memoryMbMs: Number(usage.memoryMbMs),
    diskMbMs: Number(usage.diskMbMs),
    egressBytes: Number(usage.egressBytes),
  };
}
