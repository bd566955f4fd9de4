import { setTimeout as delay } from "node:timers/promises";
import type { Db } from "../database/tables.ts";
import type { Logger } from "../logging.ts";
import { type AuditEvent, type StoredEvent, stored } from "./audit-event.ts";
import type { AuditOutbox } from "./audit-outbox.ts";
import { BATCH, insertEvents } from "./audit-store.ts";

/** Milliseconds for which the database is waited for before events go to the outbox. */
const PATIENCE_MS = 500;
/** Milliseconds between two attempts to bring them from there to the database. */
const AGAIN_MS = 1000;

/** An event that somebody waits for. */
interface Pending {
  event: StoredEvent;
  recorded: () => void;
}

export interface AuditRecorderParts {
  db: Db;
  outbox: AuditOutbox;
  log: Logger;
}

/**
 * Records events that belong to no change of the database. What comes while a batch is written is written with the next
 * one. While the database does not take them they wait in the outbox; each has its id, so that it is stored once.
 */
export class AuditRecorder {
  readonly #parts: AuditRecorderParts;
  readonly #stop = new AbortController();
  #pending: Pending[] = [];
  #writing: Promise<void> | undefined;
  /** Brings the outbox to the database; undefined when nothing is there. */
  #draining: Promise<void> | undefined;
  /** Whether something was put into the outbox since it was last looked at. */
  #isFilled = false;

  constructor(parts: AuditRecorderParts) {
    this.#parts = parts;
  }

  /** Brings what an earlier process has left to the database. */
  async start(): Promise<void> {
    if (!(await this.#parts.outbox.isEmpty())) this.#drain();
  }

  /** Resolves once the event is in the database, or on the disk for it. Never rejects. */
  record(event: AuditEvent): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pending.push({ event: stored(event), recorded: resolve });
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return promise;
  }

  /** Resolves once nothing is pending; what is in the outbox stays there for the next process. */
  async close(): Promise<void> {
    while (this.#writing) await this.#writing;
    this.#stop.abort();
    await this.#draining;
  }

  async #write(): Promise<void> {
    // Whoever records in the same turn of the event loop is in the same batch.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, BATCH);
      const events = batch.map(({ event }) => event);
      if (this.#draining || !(await this.#insert(events))) await this.#keep(events);
      for (const { recorded } of batch) recorded();
    }
  }

  /** Whether the database has taken events in time. */
  async #insert(events: StoredEvent[]): Promise<boolean> {
    const { db, log } = this.#parts;
    const timer = new AbortController();
    const late = delay(PATIENCE_MS, false, { signal: timer.signal }).catch(() => false);
    const inserted = insertEvents(db, events).then(
      () => true,
      (error: unknown) => {
        log.warn({ err: error, events: events.length }, "the database takes no events of the audit log");
        return false;
      },
    );
    const isTaken = await Promise.race([inserted, late]);
    timer.abort();
    return isTaken;
  }

  async #keep(events: StoredEvent[]): Promise<void> {
    const { outbox, log } = this.#parts;
    try {
      await outbox.append(events);
      this.#isFilled = true;
      this.#drain();
    } catch (error) {
      // Nothing else is left that keeps them.
      for (const event of events) log.error({ err: error, event }, "an event of the audit log could not be kept");
    }
  }

  #drain(): void {
    if (!this.#stop.signal.aborted) this.#draining ??= this.#bringAll();
  }

  async #bringAll(): Promise<void> {
    const { outbox, log } = this.#parts;
    while (!this.#stop.signal.aborted) {
      try {
        this.#isFilled = false;
        await outbox.drain((events) => this.#bring(events));
        log.info("the events of the audit log that waited on the disk are in the database");
        // What has come since the last look still waits.
        if (!this.#isFilled) break;
      } catch (error) {
        log.debug({ err: error }, "events of the audit log wait on the disk");
        await delay(AGAIN_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
    // In the same turn as the look at what has come: whoever adds something later begins anew.
    this.#draining = undefined;
  }

  /** Stores events. One that the database refuses for what is in it must not hold back the others. */
  async #bring(events: StoredEvent[]): Promise<void> {
    const { db, log } = this.#parts;
    try {
      await insertEvents(db, events);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (events.length > 1) for (const event of events) await this.#bring([event]);
      else log.error({ err: error, event: events[0] }, "the database refuses an event of the audit log");
    }
  }
}

/** Classes of PostgreSQL's error codes: data exceptions, integrity constraint violations. */
function isRefusal(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^2[23]/.test(code);
}
