import { setInterval } from "node:timers/promises";
import type { ListSandboxesResponse } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { Leadership } from "../database/leadership.ts";
import type { Logger } from "../logging.ts";
import type { HostClientPool } from "./host-client-pool.ts";
import type { HostStore, MonitoredHost } from "./host-store.ts";

/** Milliseconds between two rounds, unless a host says that something changed. */
const INTERVAL_MS = 5000;
/** Milliseconds that a host has to list its sandboxes. */
const CALL_TIMEOUT_MS = 4000;
/** Seconds without a sign of life after which a host counts as unreachable. */
const STALE_SEC = 90;

/** Keeps the sandboxes of the database in step with those of the hosts. */
export interface SandboxFollower {
  /** Compares a host with the database. `list` asks the host; whatever changes after it is called is left alone. */
  reconcile(host: MonitoredHost, list: () => Promise<ListSandboxesResponse>): Promise<void>;
  /** The host has become unreachable. */
  hostLost(hostId: string): Promise<void>;
}

/** What the monitor needs. */
export interface HostMonitorParts {
  hosts: HostStore;
  hostClients: HostClientPool;
  sandboxes: SandboxFollower;
  leadership: Leadership;
  log: Logger;
  /** Milliseconds between two rounds; 5 s when absent. */
  intervalMs?: number;
}

/**
 * Visits every host again and again, and whenever the host says that sandboxes changed: notes signs of life, marks hosts
 * that fall silent, and has the sandboxes followed. Runs in one control plane at a time. A host that does not answer
 * delays no other.
 */
export class HostMonitor {
  /** Told of each visit whether the host answered, and how many milliseconds it took. */
  onVisit: (answered: boolean, ms: number) => void = () => undefined;
  /** Told of a host agent that answers, by its address, and whether it does so for the first time, or again after a loss. */
  onAnswer: (address: string, isNew: boolean) => void = () => undefined;
  readonly #parts: HostMonitorParts;
  readonly #stop = new AbortController();
  readonly #visits = new Map<string, Promise<void>>();
  /** Streams on which hosts say that sandboxes changed. */
  readonly #streams = new Map<string, Promise<void>>();
  #leading: Promise<void> = Promise.resolve();

  constructor(parts: HostMonitorParts) {
    this.#parts = parts;
  }

  /** Starts to compete for the task and to do it. */
  start(): void {
    this.#leading = this.#parts.leadership.lead("host monitor", (signal) => this.#follow(signal), this.#stop.signal);
  }

  /** Stops and waits for the visits under way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#leading;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const since = Date.now();
    const { intervalMs = INTERVAL_MS } = this.#parts;
    try {
      await this.#round(since, signal);
      for await (const _ of setInterval(intervalMs, undefined, { signal })) await this.#round(since, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await Promise.all([...this.#visits.values(), ...this.#streams.values()]);
    }
  }

  /** Starts a visit to every host that is not being visited. `since` is when this process began to watch. */
  async #round(since: number, signal: AbortSignal): Promise<void> {
    try {
      for (const host of await this.#parts.hosts.listMonitored()) {
        if (this.#visits.has(host.id)) continue;
        const visit = this.visit(host, since)
          .then((answered) => {
            if (answered) this.onAnswer(host.address, this.#listen(host, signal));
          })
          .catch((error: unknown) => this.#parts.log.error({ err: error, host: host.id }, "a visit to a host failed"))
          .finally(() => this.#visits.delete(host.id));
        this.#visits.set(host.id, visit);
      }
    } catch (error) {
      this.#parts.log.error({ err: error }, "hosts could not be listed");
    }
  }

  /**
   * Visits a host whenever it says that sandboxes changed, until it falls silent; the next visit that it answers goes on.
   * Whether that begins now.
   */
  #listen(host: MonitoredHost, signal: AbortSignal): boolean {
    const { hostClients, log } = this.#parts;
    if (this.#streams.has(host.id) || signal.aborted) return false;
    const follow = async () => {
      for await (const _ of hostClients.agentOf(host).watchSandboxes({}, { signal })) await this.look(host.id);
    };
    const stream = follow()
      .catch((error: unknown) => {
        if (!signal.aborted) log.debug({ err: error, host: host.id }, "a host no longer says what changes");
      })
      .finally(() => this.#streams.delete(host.id));
    this.#streams.set(host.id, stream);
    return true;
  }

  /**
   * Visits a host now, because a call to it brought news. Any control plane may: each change compares what it read. Never
   * rejects; the next round finds what this one did not.
   */
  async look(hostId: string): Promise<void> {
    const { hosts, log } = this.#parts;
    try {
      const host = (await hosts.listMonitored()).find(({ id }) => id === hostId);
      if (host) await this.visit(host);
    } catch (error) {
      log.warn({ err: error, host: hostId }, "a host could not be followed");
    }
  }

  /** Visits one host. Returns whether it answered. */
  async visit(host: MonitoredHost, since = Date.now()): Promise<boolean> {
    const { hosts, hostClients, sandboxes, log } = this.#parts;
    const began = performance.now();
    let answered = false;
    const list = async () => {
      const agent = hostClients.agentOf(host);
      const listed = await agent.listSandboxes({}, { timeoutMs: CALL_TIMEOUT_MS });
      answered = true;
      if (await hosts.markAlive(host)) {
        log.info({ host: host.id }, "a host is online");
        await hosts.describe(host.id, await agent.getHost({}, { timeoutMs: CALL_TIMEOUT_MS }));
      }
      return listed;
    };
    try {
      await sandboxes.reconcile(host, list);
    } catch (error) {
      if (answered) throw error;
      log.debug({ err: error, host: host.id }, "a host does not answer");
      const watchedSec = (Date.now() - since) / 1000;
      if (watchedSec >= STALE_SEC && (await hosts.markUnreachable(host.id, STALE_SEC))) {
        log.warn({ host: host.id }, "a host is unreachable; its sandboxes are missing");
        await sandboxes.hostLost(host.id);
      }
    } finally {
      this.onVisit(answered, performance.now() - began);
    }
    return answered;
  }
}
