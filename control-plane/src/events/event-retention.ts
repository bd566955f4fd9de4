import type { Logger } from "../logging.ts";
import type { EventLog } from "./event-log.ts";

/** Events that are kept at most, whatever their age. */
const MOST_EVENTS = 1_000_000;
/** Milliseconds between two looks for events that are too old, and events that are removed with one statement. */
const INTERVAL_MS = 300_000;
const REMOVED_TOGETHER = 5000;

/** Removes old events. Every control plane does: what one has removed, the others do not find. */
export class EventRetention {
  readonly #events: EventLog;
  readonly #seconds: number;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #removing: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** `seconds`: for which an event is kept. */
  constructor(events: EventLog, seconds: number, log: Logger) {
    this.#events = events;
    this.#seconds = seconds;
    this.#log = log;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#removing = this.remove();
    }, INTERVAL_MS).unref();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#removing;
  }

  /** Removes all that is too old by now. */
  async remove(): Promise<void> {
    try {
      let removed: number;
      do removed = await this.#events.removeOld(this.#seconds, MOST_EVENTS, REMOVED_TOGETHER);
      while (removed === REMOVED_TOGETHER && !this.#isClosed);
    } catch (error) {
      this.#log.warn({ err: error }, "old events could not be removed; it is tried again later");
    }
  }
}
