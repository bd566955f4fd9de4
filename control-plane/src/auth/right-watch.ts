import { WarrenError } from "@warren/contracts/errors";
import type { Identity } from "../callers/caller.ts";
import { type AccessChanges, concerns } from "./access-changes.ts";

/** Milliseconds that a timer can wait at most. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Milliseconds between looks at a credential that should have ended by now, such as by another clock. */
const AGAIN_MS = 1000;

/** The right with which something was begun that is under way. */
export interface Right {
  identity: Identity;
  /** `AccessChanges.told` before the right was looked at. */
  told: number;
  /** Whose the right is now; rejects when the credential does not give it any more. */
  check(): Promise<Identity>;
}

/** Notices when somebody loses the right to what is under way: by a change, or because the time of a credential is over. */
export class RightWatch {
  readonly #changes: AccessChanges;

  constructor(changes: AccessChanges) {
    this.#changes = changes;
  }

  /** Calls `end` with the reason once the right is gone; returns what ends the watch. */
  watch(right: Right, end: (error: WarrenError) => void): () => void {
    let timer: NodeJS.Timeout | undefined;
    let isOver = false;
    const awaitExpiry = ({ expiresAt }: Identity) => {
      clearTimeout(timer);
      if (isOver || expiresAt === undefined) return;
      const rest = expiresAt.getTime() - Date.now();
      timer = setTimeout(recheck, rest > 0 ? Math.min(rest, LONGEST_TIMER_MS) : AGAIN_MS).unref();
    };
    const recheck = () => {
      right.check().then(awaitExpiry, (error: unknown) => {
        if (error instanceof WarrenError) end(error);
        // A database that is away says nothing about rights.
        else awaitExpiry(right.identity);
      });
    };
    const unsubscribe = this.#changes.subscribe((change) => {
      if (concerns(change, whoOf(right.identity))) recheck();
    });
    awaitExpiry(right.identity);
    // The right may have gone since it was looked at.
    if (this.#changes.told !== right.told) recheck();
    return () => {
      isOver = true;
      unsubscribe();
      clearTimeout(timer);
    };
  }
}

function whoOf(identity: Identity) {
  if (identity.kind === "api_key") return { teamId: identity.teamId };
  return { userId: identity.userId, teamId: identity.team?.id, sessionId: identity.sessionId };
}
