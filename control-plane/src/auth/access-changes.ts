import type { Messages } from "../database/messages.ts";
import type { Logger } from "../logging.ts";

/** What has changed about who may do what: of whom, in which team, of which session. UUIDs; all empty = anything. */
export interface AccessChange {
  userId?: string;
  teamId?: string;
  sessionId?: string;
}

/** Channel on which control planes tell each other. */
const CHANNEL = "warren_access";

/**
 * Tells those who keep what authentication has read, in this control plane and in all others, so that a change counts
 * at once. Announce a change after it is committed. A message that is lost costs the second for which it is kept.
 */
export class AccessChanges {
  readonly #messages: Messages;
  readonly #log: Logger;
  readonly #listeners = new Set<(change: AccessChange) => void>();
  #told = 0;

  constructor(messages: Messages, log: Logger) {
    this.#messages = messages;
    this.#log = log;
  }

  /** Follows what other control planes announce; ends it with the result. */
  follow(): Promise<() => Promise<void>> {
    return this.#messages.listen(CHANNEL, {
      onMessage: (payload) => this.#tell(JSON.parse(payload) as AccessChange),
      onGap: () => this.#tell({}),
    });
  }

  /** Listeners are called in the order of subscription. Returns a function that ends the subscription. */
  subscribe(listener: (change: AccessChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** How many changes there have been so far: whoever finds the same number later has missed none. */
  get told(): number {
    return this.#told;
  }

  announce(change: AccessChange): void {
    this.#tell(change);
    this.#messages.publish(CHANNEL, JSON.stringify(change)).catch((error: unknown) => {
      this.#log.warn(
        { err: error },
        "other control planes were not told of a change of access; they see it in a second",
      );
    });
  }

  #tell(change: AccessChange): void {
    this.#told++;
    for (const listener of this.#listeners) listener(change);
  }
}

/** Whether a change can concern anybody. */
export function concernsAll({ userId, teamId, sessionId }: AccessChange): boolean {
  return userId === undefined && teamId === undefined && sessionId === undefined;
}

/** Whether a change can concern somebody who acts for a team, in a session or with a key. */
export function concerns(
  change: AccessChange,
  who: { userId?: string | undefined; teamId?: string | undefined; sessionId?: string | undefined },
): boolean {
  const { userId, teamId, sessionId } = change;
  return (
    concernsAll(change) ||
    (userId !== undefined && userId === who.userId) ||
    (teamId !== undefined && teamId === who.teamId) ||
    (sessionId !== undefined && sessionId === who.sessionId)
  );
}
