import { WarrenError } from "@warren/contracts/errors";
import type { LinkedProvider } from "@warren/contracts/rest/providers";
import type { Reauthentication } from "../accounts/reauthentication.ts";
import type { AccountEvents } from "../audit/account-events.ts";
import type { SignedInUser } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { isUniqueViolation } from "../database/unique-violation.ts";
import type { SessionStore } from "../sessions/session-store.ts";
import type { MembershipStore } from "../teams/membership-store.ts";
import type { UserRow, UserStore } from "../users/user-store.ts";
import type { IdentityStore } from "./identity-store.ts";
import type { OAuthProfile, OAuthProvider } from "./oauth-provider.ts";

/** What the service needs. */
export interface ProviderLinksParts {
  db: Db;
  users: UserStore;
  sessions: SessionStore;
  identities: IdentityStore;
  memberships: MembershipStore;
  audit: AccountEvents;
  reauthentication: Reauthentication;
  /** Those that this server offers, by name. */
  providers: ReadonlyMap<string, OAuthProvider>;
}

/** Why an account is not linked to an identity at a provider. */
export type LinkRefusal = "identity_taken" | "already_linked" | "session_ended";

/**
 * The identities at providers by which a user signs in. One is linked by a browser that the user has sent to the provider from a
 * session, and never because two addresses are the same.
 */
export class ProviderLinks {
  readonly #parts: ProviderLinksParts;

  constructor(parts: ProviderLinksParts) {
    this.#parts = parts;
  }

  /** All that this server offers, and those that it offered when the user linked them. */
  async list(caller: SignedInUser): Promise<LinkedProvider[]> {
    const { identities, providers } = this.#parts;
    const rows = await identities.listOf(caller.userId);
    const names = new Set([...providers.keys(), ...rows.map(({ provider }) => provider)]);
    return [...names].map((name) => {
      const offered = providers.get(name);
      const row = rows.find(({ provider }) => provider === name);
      return {
        name,
        label: offered?.label ?? name,
        available: offered !== undefined,
        linked: row !== undefined,
        ...(row === undefined ? {} : { email: row.email, linked_at: row.created_at.toISOString() }),
      };
    });
  }

  /** Throws unless whoever holds the session has shown anew that the account is theirs: an identity is a way in to stay. */
  async requireOwner(caller: SignedInUser, password: string | undefined): Promise<void> {
    const { users, reauthentication } = this.#parts;
    const user = found(await users.find(caller.userId));
    await reauthentication.require(user, caller.sessionId, password, "body/password");
  }

  /** Links the account of a session to an identity; says why when it does not. */
  async link(sessionId: string, provider: string, profile: OAuthProfile): Promise<LinkRefusal | undefined> {
    const { db, users, sessions, identities, memberships, audit } = this.#parts;
    try {
      return await db.transaction().execute(async (transaction) => {
        const userId = await sessions.userIdOf(sessionId, transaction);
        const user = userId && (await users.lock(userId, transaction));
        if (!user || user.deactivated_at !== null) return "session_ended";
        const known = await identities.listOf(user.id, transaction);
        if (known.some((row) => row.provider === provider)) return "already_linked";
        const { providerId, email } = profile;
        await identities.insert({ provider, providerId, userId: user.id, email }, transaction);
        const team = await memberships.firstTeam(user.id, transaction);
        await audit.providerLinked(transaction, user, team?.id, provider);
        return undefined;
      });
    } catch (error) {
      if (isUniqueViolation(error)) return "identity_taken";
      throw error;
    }
  }

  /** Unlinks the account; throws `last_login_method` when nobody could sign in to it any more. */
  async unlink(caller: SignedInUser, provider: string): Promise<void> {
    const { db, users, identities, providers, audit } = this.#parts;
    await db.transaction().execute(async (transaction) => {
      const user = found(await users.lock(caller.userId, transaction));
      const linked = (await identities.listOf(user.id, transaction)).map((row) => row.provider);
      if (!linked.includes(provider)) {
        throw new WarrenError("not_found", `your account is not linked to "${provider}"`);
      }
      const ways = linked.filter((other) => other !== provider && providers.has(other));
      if (user.password_hash === null && ways.length === 0) {
        throw new WarrenError(
          "last_login_method",
          "this is the last way to sign in to the account: set a password, or link another provider first",
        );
      }
      await identities.remove(user.id, provider, transaction);
      await audit.providerUnlinked(transaction, caller, provider);
    });
  }
}

function found(user: UserRow | undefined): UserRow {
  if (!user) throw new WarrenError("unauthorized", "the account of this session is gone");
  return user;
}
