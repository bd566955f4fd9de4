import { setTimeout as delay, setInterval } from "node:timers/promises";
import type { ListSandboxesResponse } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { Leadership } from "../database/leadership.ts";
import type { Logger } from "../logging.ts";
import type { HostClientPool } from "./host-client-pool.ts";
import { type HostStore, isToBeReached, type MonitoredHost } from "./host-store.ts";
import type { HostWatch } from "./host-watch.ts";
import { VisitPlaces } from "./visit-places.ts";

/** Milliseconds between two rounds, unless a host says that something changed. */
const INTERVAL_MS = 5000;
/** Milliseconds that a host has to list its sandboxes. */
const CALL_TIMEOUT_MS = 4000;
/** Seconds without a sign of life after which a host counts as unreachable. */
const STALE_SEC = 90;

/** Hosts that are visited at the same time, and milliseconds for which a visit counts as one of them. */
const PLACES = 64;
const PLACE_MS = 250;
/** Milliseconds between two visits to a host that says again and again that something changed. */
const PACE_MS = 100;

/** Keeps the sandboxes of the database in step with those of the hosts. */
export interface SandboxFollower {
  /** This process watches all hosts from now on. */
  begin(): void;
  /**
   * Compares a host with the database. `list` asks the host; whatever changes after it is called is left alone. `watch` is given
   * by the process that watches all hosts, until it does so no more.
   */
  reconcile(host: MonitoredHost, list: () => Promise<ListSandboxesResponse>, watch?: AbortSignal): Promise<void>;
  /** Follows that hosts have become unreachable. */
  hostsLost(): Promise<void>;
}

/** What the monitor needs. */
export interface HostMonitorParts {
  hosts: HostStore;
  watch: HostWatch;
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
  /** Visits that calls wait for: the last one of each host. */
  readonly #looks = new Map<string, { hasBegun: boolean; done: Promise<void> }>();
  readonly #places = new VisitPlaces(PLACES, PLACE_MS);
  /** Hosts that have answered, which is yet to be noted, and those that did not answer last. */
  readonly #answered = new Set<string>();
  readonly #silent = new Set<string>();
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
    const { sandboxes, intervalMs = INTERVAL_MS } = this.#parts;
    this.#answered.clear();
    sandboxes.begin();
    try {
      await this.#round(signal);
      for await (const _ of setInterval(intervalMs, undefined, { signal })) await this.#round(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await Promise.all([...this.#visits.values(), ...this.#streams.values()]);
    }
  }

  /** Starts a visit to every host that is not being visited; those that did not answer last are the last. */
  async #round(signal: AbortSignal): Promise<void> {
    const { hosts, watch, log } = this.#parts;
    try {
      await this.settle(await watch.begin());
      const monitored = await hosts.listMonitored();
      const isSilent = ({ id }: MonitoredHost) => Number(this.#silent.has(id));
      const ids = new Set(monitored.map(({ id }) => id));
      for (const id of this.#silent) if (!ids.has(id)) this.#silent.delete(id);
      for (const host of monitored.sort((one, other) => isSilent(one) - isSilent(other))) {
        if (this.#visits.has(host.id)) continue;
        const leave = await this.#places.enter();
        if (signal.aborted) return leave();
        const visit = this.visit(host, signal)
          .then((answered) => this.#note(host, answered, signal))
          .catch((error: unknown) => {
            if (!signal.aborted) log.error({ err: error, host: host.id }, "a visit to a host failed");
          })
          .finally(() => this.#visits.delete(host.id))
          .finally(leave);
        this.#visits.set(host.id, visit);
      }
    } catch (error) {
      log.error({ err: error }, "hosts could not be followed");
    }
  }

  #note(host: MonitoredHost, answered: boolean, signal: AbortSignal): void {
    if (!answered) {
      this.#silent.add(host.id);
      return;
    }
    this.#silent.delete(host.id);
    this.onAnswer(host.address, this.#listen(host, signal));
  }

  /**
   * Notes which hosts have answered since the last round, and takes those out of service that have given no sign of life for too
   * long. `watchedSec`: for how long they would have been noticed.
   */
  async settle(watchedSec: number): Promise<void> {
    const { watch, sandboxes, log } = this.#parts;
    const answered = [...this.#answered];
    await watch.noteAnswers(answered);
    for (const id of answered) this.#answered.delete(id);
    const lost = watchedSec < STALE_SEC ? [] : await watch.markSilent(STALE_SEC);
    for (const host of lost) log.warn({ host }, "a host is unreachable; its sandboxes are missing");
    // Of hosts that were lost before as well: whoever noted that may not have come to this.
    await sandboxes.hostsLost();
  }

  /**
   * Visits a host whenever it says that sandboxes changed, until it falls silent; the next visit that it answers goes on.
   * Whether that begins now.
   */
  #listen(host: MonitoredHost, signal: AbortSignal): boolean {
    const { hostClients, log } = this.#parts;
    if (this.#streams.has(host.id) || signal.aborted) return false;
    const follow = async () => {
      for await (const _ of hostClients.agentOf(host).watchSandboxes({}, { signal })) {
        await this.#look(host.id, signal);
        // What is said meanwhile is said together.
        await delay(PACE_MS, undefined, { signal });
      }
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
   * Visits a host now, because a call to it brought news. Any control plane may: each change compares what it read. Whoever asks
   * while others wait for a visit that has not begun has that one. Never rejects; the next round finds what this one did not.
   */
  look(hostId: string): Promise<void> {
    const latest = this.#looks.get(hostId);
    if (latest && !latest.hasBegun) return latest.done;
    const look = { hasBegun: false, done: Promise.resolve() };
    const begin = () => {
      look.hasBegun = true;
      return this.#look(hostId);
    };
    look.done = (latest?.done ?? Promise.resolve()).then(begin).finally(() => {
      if (this.#looks.get(hostId) === look) this.#looks.delete(hostId);
    });
    this.#looks.set(hostId, look);
    return look.done;
  }

  async #look(hostId: string, signal?: AbortSignal): Promise<void> {
    const { hosts, log } = this.#parts;
    try {
      const host = await hosts.findMonitored(hostId);
      if (host) await this.visit(host, signal);
    } catch (error) {
      if (!signal?.aborted) log.warn({ err: error, host: hostId }, "a host could not be followed");
    }
  }

  /** Visits one host. Returns whether it answered. `watch`: as for {@link SandboxFollower.reconcile}. */
  async visit(host: MonitoredHost, watch?: AbortSignal): Promise<boolean> {
    const { hosts, hostClients, sandboxes, log } = this.#parts;
    const options = { timeoutMs: CALL_TIMEOUT_MS, ...(watch && { signal: watch }) };
    const began = performance.now();
    let answered = false;
    const list = async () => {
      const agent = hostClients.agentOf(host);
      const listed = await agent.listSandboxes({}, options);
      answered = true;
      if (watch) this.#answered.add(host.id);
      if (isToBeReached(host) && (await hosts.markAlive(host))) {
        log.info({ host: host.id }, "a host is online");
        await hosts.describe(host.id, await agent.getHost({}, options));
      }
      return listed;
    };
    try {
      await sandboxes.reconcile(host, list, watch);
    } catch (error) {
      if (answered) throw error;
      log.debug({ err: error, host: host.id }, "a host does not answer");
    } finally {
      this.onVisit(answered, performance.now() - began);
    }
    return answered;
  }
}
