import { type Actor, actorOf, type SignedInUser } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { toWireId } from "../identifiers/wire-id.ts";
import { type AuditEvent, alsoForPlatform, PLATFORM } from "./audit-event.ts";
import { recordIn } from "./audit-store.ts";

/** What is noted as the right of a user who administers the whole platform. */
export const ALL_RIGHTS = "all";

/** A user as events name them. */
export interface AuditedUser {
  /** UUID. */
  id: string;
  name: string;
  email: string;
}

/**
 * The events of accounts and sessions. They are told to the team for which the user acts at that time, or to the platform
 * when there is none; who came, or tried to, is told to both. All but one belong to a change, whose transaction they take.
 */
export class AccountEvents {
  readonly #record: (event: AuditEvent) => Promise<void>;

  /** `record` takes events that belong to no change. */
  constructor(record: (event: AuditEvent) => Promise<void>) {
    this.#record = record;
  }

  /** An account was made, by its user unless it was the operator; `provider` vouches for it. */
  signedUp(db: Db, user: AuditedUser, teamId: string, about: { by?: Actor; provider?: string } = {}) {
    const { by = userOf(user), provider } = about;
    const metadata = { email: user.email, provider };
    const event = { ...ofUser(user.id, by, teamId), action: "sign_up", status: "success", metadata } as const;
    return recordIn(db, ...alsoForPlatform(event));
  }

  /** A session was opened; `method` is how the user has shown who they are. */
  loggedIn(db: Db, user: AuditedUser, teamId: string, about: { method: string; address: string }) {
    return recordIn(db, {
      ...ofUser(user.id, userOf(user), teamId),
      action: "log_in",
      status: "info",
      metadata: about,
    });
  }

  /** A wrong password was given for the account with an address, which nobody need have. */
  async logInFailed(
    account: { id: string; teamId?: string } | undefined,
    about: { email?: string; address: string },
  ): Promise<void> {
    const events = alsoForPlatform({
      teamId: account?.teamId ?? PLATFORM,
      actor: { type: "system" },
      resource: "user",
      ...(account && { resourceId: toWireId("usr", account.id) }),
      action: "log_in_failed",
      status: "warning",
      metadata: about,
    });
    await Promise.all(events.map((event) => this.#record(event)));
  }

  /** A user has ended a session of theirs. */
  loggedOut(db: Db, by: SignedInUser, sessionId: string) {
    const metadata = sessionId === by.sessionId ? {} : { session: toWireId("ses", sessionId) };
    return recordIn(db, { ...ofSelf(by), action: "log_out", status: "info", metadata });
  }

  loggedOutEverywhere(db: Db, by: SignedInUser) {
    return recordIn(db, { ...ofSelf(by), action: "log_out_everywhere", status: "info" });
  }

  passwordChanged(db: Db, by: SignedInUser) {
    return recordIn(db, { ...ofSelf(by), action: "password_change", status: "success" });
  }

  /** A user has another password, by the operator or by a mail to the user's address. */
  passwordReset(db: Db, user: AuditedUser, teamId: string | undefined, by: Actor = userOf(user)) {
    const metadata = { email: user.email };
    return recordIn(db, { ...ofUser(user.id, by, teamId), action: "password_reset", status: "warning", metadata });
  }

  /** A user has shown to read the mails to the account's address. */
  emailVerified(db: Db, by: SignedInUser, email: string) {
    return recordIn(db, { ...ofSelf(by), action: "verify_email", status: "success", metadata: { email } });
  }

  providerLinked(db: Db, user: AuditedUser, teamId: string | undefined, provider: string) {
    const event = { ...ofUser(user.id, userOf(user), teamId), action: "provider_link", status: "success" } as const;
    return recordIn(db, { ...event, metadata: { provider } });
  }

  providerUnlinked(db: Db, by: SignedInUser, provider: string) {
    return recordIn(db, { ...ofSelf(by), action: "provider_unlink", status: "warning", metadata: { provider } });
  }

  /** The account is gone, and with it all that says whose it was. */
  accountDeleted(db: Db, by: SignedInUser) {
    return recordIn(db, { ...ofUser(by.userId, actorOf(by), PLATFORM), action: "delete", status: "warning" });
  }

  /** A user was shut out, or may sign in again. */
  activationSet(db: Db, by: Actor, user: AuditedUser, isActive: boolean) {
    const action = isActive ? "activate" : "deactivate";
    const metadata = { email: user.email };
    return recordIn(db, { ...ofUser(user.id, by, PLATFORM), action, status: isActive ? "info" : "warning", metadata });
  }

  /** A user may administer the platform, or has one right on it. */
  rightGranted(db: Db, by: Actor, user: AuditedUser, right: string) {
    const metadata = { email: user.email, right };
    return recordIn(db, { ...ofUser(user.id, by, PLATFORM), action: "grant", status: "warning", metadata });
  }

  /** Another key signs session tokens; `revoked`: all sessions that were signed before have ended. */
  signingKeyRotated(db: Db, by: Actor, about: { key: string; revoked: boolean }) {
    const { key, revoked } = about;
    const event = { teamId: PLATFORM, actor: by, resource: "signing_key", resourceId: key, action: "rotate" } as const;
    return recordIn(db, { ...event, status: revoked ? "warning" : "info", metadata: { revoked } });
  }

  rightRevoked(db: Db, by: Actor, user: AuditedUser, right: string) {
    const metadata = { email: user.email, right };
    return recordIn(db, { ...ofUser(user.id, by, PLATFORM), action: "revoke", status: "warning", metadata });
  }
}

function userOf({ id, name }: AuditedUser): Actor {
  return { type: "user", id: toWireId("usr", id), name };
}

function ofUser(userId: string, actor: Actor, teamId: string | undefined) {
  return { teamId: teamId ?? PLATFORM, actor, resource: "user", resourceId: toWireId("usr", userId) } as const;
}

function ofSelf(by: SignedInUser) {
  return ofUser(by.userId, actorOf(by), by.team?.id);
}
