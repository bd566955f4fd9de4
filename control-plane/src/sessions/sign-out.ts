import type { AccountEvents } from "../audit/account-events.ts";
import type { AccessChanges } from "../auth/access-changes.ts";
import type { SignedInUser } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import type { SessionStore } from "./session-store.ts";

/** What signing out needs. */
export interface SignOutParts {
  db: Db;
  sessions: SessionStore;
  changes: AccessChanges;
  audit: AccountEvents;
}

/** Ends sessions on behalf of their user. */
export class SignOut {
  readonly #parts: SignOutParts;

  constructor(parts: SignOutParts) {
    this.#parts = parts;
  }

  /** Ends one of the user's sessions, such as the present one; false when there is none, or none any more. */
  async end(user: SignedInUser, sessionId: string): Promise<boolean> {
    const { db, sessions, changes, audit } = this.#parts;
    const isEnded = await transact(db, async (transaction) => {
      const found = await sessions.endOf(user.userId, sessionId, transaction);
      if (found) await audit.loggedOut(transaction, user, sessionId);
      return found;
    });
    changes.announce({ sessionId });
    return isEnded;
  }

  async endAll(user: SignedInUser): Promise<void> {
    const { db, sessions, changes, audit } = this.#parts;
    await transact(db, async (transaction) => {
      await sessions.endAll(user.userId, { db: transaction });
      await audit.loggedOutEverywhere(transaction, user);
    });
    changes.announce({ userId: user.userId });
  }
}
