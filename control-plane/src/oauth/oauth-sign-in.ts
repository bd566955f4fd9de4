import { WarrenError } from "@warren/contracts/errors";
import type { AccountStore } from "../accounts/account-store.ts";
import type { AccountEvents } from "../audit/account-events.ts";
import type { Db } from "../database/tables.ts";
import { isUniqueViolation } from "../database/unique-violation.ts";
import type { SessionClient } from "../sessions/session-client.ts";
import type { Session, SignIn } from "../sessions/sign-in.ts";
import { parseEmail } from "../users/email.ts";
import { shortenUserName } from "../users/user-name.ts";
import type { UserRow } from "../users/user-store.ts";
import type { IdentityStore } from "./identity-store.ts";
import type { OAuthProfile } from "./oauth-provider.ts";

/** Times that an account may have another password, or be gone, while a session of it is opened. */
const ATTEMPTS = 3;

/** What the service needs. */
export interface OAuthSignInParts {
  db: Db;
  identities: IdentityStore;
  accounts: AccountStore;
  signIn: SignIn;
  audit: AccountEvents;
}

/** Opens sessions of people whom a provider has identified, and makes their accounts at the first time. */
export class OAuthSignIn {
  readonly #parts: OAuthSignInParts;

  constructor(parts: OAuthSignInParts) {
    this.#parts = parts;
  }

  /**
   * Throws `email_taken` when the address belongs to an account without this identity: whoever has the address at the
   * provider need not be who has the account here.
   */
  async open(provider: string, profile: OAuthProfile, client: SessionClient): Promise<Session> {
    const { identities, signIn } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      const known = await identities.findUser(provider, profile.providerId);
      const user = known ?? (await this.#register(provider, profile));
      try {
        return await signIn.openFor(user, { client, method: provider });
      } catch (error) {
        // Who sets a new password may have unlinked the account from all providers: whose the identity is, is asked again.
        const isOvertaken = error instanceof WarrenError && error.code === "unauthorized";
        if (!isOvertaken || attempt === ATTEMPTS) throw error;
      }
    }
  }

  async #register(provider: string, profile: OAuthProfile): Promise<UserRow> {
    const { db, identities, accounts, signIn, audit } = this.#parts;
    signIn.requireOpenSignUp();
    const email = parseEmail(profile.email);
    const account = { email, name: shortenUserName(profile.name), passwordHash: null, isEmailVerified: true };
    try {
      return await db.transaction().execute(async (transaction) => {
        const { user, teamId } = await accounts.insert(account, transaction);
        await identities.insert({ provider, providerId: profile.providerId, userId: user.id, email }, transaction);
        await audit.signedUp(transaction, user, teamId, { provider });
        await audit.providerLinked(transaction, user, teamId, provider);
        return user;
      });
    } catch (error) {
      if (!isTaken(error)) throw error;
      // Another request may have registered the same identity a moment before.
      const registered = await identities.findUser(provider, profile.providerId);
      if (registered) return registered;
      throw new WarrenError("email_taken", "this e-mail address has an account; sign in to it as before", {
        cause: error,
      });
    }
  }
}

function isTaken(error: unknown): boolean {
  return isUniqueViolation(error) || (error instanceof WarrenError && error.code === "email_taken");
}
