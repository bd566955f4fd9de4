import type { Messages } from "../database/messages.ts";
import type { Logger } from "../logging.ts";

/** Channel on which control planes are told that there are events. */
export const EVENTS_CHANNEL = "warren_events";
/** Milliseconds between two messages: what comes meanwhile is told together. */
const INTERVAL_MS = 20;

/**
 * Tells all control planes that sandboxes have changed, after the commit. Other events are told by the database itself, in their
 * transactions: those of sandboxes are too many for that, since commits with NOTIFY wait for each other's way to the disk. What a
 * control plane that dies has not told is found with the next heartbeat.
 */
export class EventWaker {
  readonly #messages: Messages;
  readonly #log: Logger;
  #isWanted = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(messages: Messages, log: Logger) {
    this.#messages = messages;
    this.#log = log;
  }

  /** Tells of a change that is committed, soon. */
  wake(): void {
    this.#isWanted = true;
    this.#timer ??= setTimeout(this.#tell, 0);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#isWanted = false;
  }

  readonly #tell = (): void => {
    this.#timer = undefined;
    if (!this.#isWanted) return;
    this.#isWanted = false;
    this.#messages.publish(EVENTS_CHANNEL, "").catch((error: unknown) => {
      this.#log.warn(
        { err: error },
        "other control planes were not told of events; they find them with the next heartbeat",
      );
    });
    this.#timer = setTimeout(this.#tell, INTERVAL_MS).unref();
  };
}
