import { randomUUID } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import { EMAIL } from "@warren/contracts/identifiers";
import type { LogIn, SignUp, TeamRole } from "@warren/contracts/rest/accounts";
import type { AccountStore } from "../accounts/account-store.ts";
import type { AccountEvents } from "../audit/account-events.ts";
import type { SignedInUser } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import type { EmailVerification } from "../email-verification/email-verification.ts";
import type { LoginAttempts } from "../rate-limits/login-attempts.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import type { MembershipStore } from "../teams/membership-store.ts";
import { normalizeEmail, parseEmail } from "../users/email.ts";
import type { PasswordHasher } from "../users/passwords.ts";
import { requireActive } from "../users/require-active.ts";
import { parseUserName } from "../users/user-name.ts";
import type { UserRow, UserStore } from "../users/user-store.ts";
import type { SessionClient } from "./session-client.ts";
import type { SessionStore } from "./session-store.ts";
import type { UserTokens } from "./user-tokens.ts";

/** A session that was just opened or renewed. */
export interface Session {
  token: string;
  expiresAt: Date;
  user: UserRow;
  /** Team for which the session acts. */
  team: { id: string; role: TeamRole };
}

/** How somebody has shown who they are, and from where. */
export interface Proof {
  client: SessionClient;
  /** `password`, `setup_link`, or the name of a provider. */
  method: string;
}

/** What signing in needs. */
export interface SignInParts {
  db: Db;
  users: UserStore;
  accounts: AccountStore;
  memberships: MembershipStore;
  sessions: SessionStore;
  tokens: UserTokens;
  hasher: PasswordHasher;
  limiter: RateLimiter;
  attempts: LoginAttempts;
  verification: EmailVerification;
  /** Whether anybody may make an account. */
  signUpOpen: boolean;
  audit: AccountEvents;
}

/** Opens sessions: sign-up, log-in, and change of team. */
export class SignIn {
  readonly #parts: SignInParts;

  constructor(parts: SignInParts) {
    this.#parts = parts;
  }

  /** Throws `signup_closed` unless anybody may make an account. */
  requireOpenSignUp(): void {
    if (this.#parts.signUpOpen) return;
    throw new WarrenError("signup_closed", "accounts of this server are made by its operator; ask there for one");
  }

  /** Makes an account with a team of its own and signs in to it. */
  async signUp(request: SignUp, client: SessionClient): Promise<Session> {
    this.requireOpenSignUp();
    const { db, accounts, hasher, limiter, audit } = this.#parts;
    const email = parseEmail(request.email);
    const name = parseUserName(request.name);
    await limiter.take("sign up as", email, RATES.signUp.account);
    const passwordHash = await hasher.hash(request.password);
    const { user, teamId, session } = await db.transaction().execute(async (transaction) => {
      const account = await accounts.insert({ email, name, passwordHash }, transaction);
      await audit.signedUp(transaction, account.user, account.teamId);
      const session = await this.#open(account.user, account.teamId, { client, method: "password" }, transaction);
      return { ...account, session };
    });
    this.#parts.verification.sendFirst(user);
    return this.#sign(user, { id: teamId, role: "owner" }, session);
  }

  /** Signs in with a password. Every wrong credential has one answer, which takes the same time. */
  async logIn(request: LogIn, client: SessionClient): Promise<Session> {
    const { users, hasher, limiter, attempts } = this.#parts;
    const email = normalizeEmail(request.email);
    // In this order: what one network tries while it is locked does not use up the account's rate.
    await attempts.begin(email, client.network);
    await limiter.take("log in as", email, RATES.logIn.account);
    const user = await users.findByEmail(email);
    const matches = await hasher.verify(user?.password_hash, request.password);
    if (!user || !matches) {
      await this.#tellFailure(user, email, client);
      throw new WarrenError("unauthorized", "the e-mail address or the password is not right");
    }
    await attempts.succeeded(email, client.network);
    await limiter.reset("log in as", email);
    return this.openFor(await this.#renewHash(user, request.password), { client, method: "password" });
  }

  /**
   * Opens a session of a user whose identity is proven; throws `no_team`, or `account_deactivated`. A session that was proven
   * by what is no longer so, since a new password has ended all sessions meanwhile, is refused with `unauthorized`.
   */
  async openFor(user: UserRow, proof: Proof): Promise<Session> {
    requireActive(user);
    const { db, users, memberships } = this.#parts;
    const team = await memberships.firstTeam(user.id);
    if (!team) {
      throw new WarrenError("no_team", "you are not a member of any team; ask an admin of a team to add you");
    }
    const session = await transact(db, async (transaction) => {
      const held = await users.hold(user.id, transaction);
      if (held?.password_hash !== user.password_hash) {
        throw new WarrenError("unauthorized", "the account has another password since a moment ago; sign in again");
      }
      requireActive(held);
      return this.#open(user, team.id, proof, transaction);
    });
    return this.#sign(user, team, session);
  }

  /** Continues a session in another team, or the same one. Everything in the new token is read anew. */
  async switchTeam(current: SignedInUser, teamId: string): Promise<Session> {
    const { limiter, memberships, users, sessions } = this.#parts;
    await limiter.take("switch team as", current.userId, RATES.switchTeam.account);
    const { live, role } = await memberships.lookUp(current.userId, teamId);
    if (!live) throw new WarrenError("not_found", "there is no such team");
    if (role === null) throw new WarrenError("forbidden", "you are not a member of that team");
    const user = await users.find(current.userId);
    const expiresAt = await sessions.renew(current.sessionId);
    if (!user || !expiresAt) throw new WarrenError("unauthorized", "the session has ended; sign in");
    return this.#sign(user, { id: teamId, role }, { id: current.sessionId, expiresAt });
  }

  async #open(user: UserRow, teamId: string, { client, method }: Proof, transaction: Db) {
    const { sessions, audit } = this.#parts;
    const session = await sessions.open(user.id, client, transaction);
    await audit.loggedIn(transaction, user, teamId, { method, address: client.address });
    return session;
  }

  /** Takes as long for an address that nobody has as for one that somebody has. */
  async #tellFailure(user: UserRow | undefined, email: string, { address }: SessionClient): Promise<void> {
    const { memberships, audit } = this.#parts;
    const team = await memberships.firstTeam(user?.id ?? randomUUID());
    const account = user && { id: user.id, ...(team && { teamId: team.id }) };
    // What nobody can have for an address may be a password in the wrong field.
    await audit.logInFailed(account, { address, ...(EMAIL.test(email) && { email }) });
  }

  async #sign(user: UserRow, team: Session["team"], session: { id: string; expiresAt: Date }): Promise<Session> {
    const claims = {
      sessionId: session.id,
      userId: user.id,
      teamId: team.id,
      role: team.role,
      email: user.email,
      name: user.name,
      isAdmin: user.is_admin,
    };
    const token = await this.#parts.tokens.sign(claims, session.expiresAt);
    return { token, expiresAt: session.expiresAt, user, team };
  }

  /** Hashes a password anew when its hash was made with other parameters than new ones are; gives the user as it is then. */
  async #renewHash(user: UserRow, password: string): Promise<UserRow> {
    const { hasher, users } = this.#parts;
    const { id, password_hash: former } = user;
    if (former === null || !hasher.isOutdated(former)) return user;
    const renewed = await hasher.hash(password);
    if (await users.renewPasswordHash(id, former, renewed)) return { ...user, password_hash: renewed };
    // Another log-in was first to renew it, unless the user has another password meanwhile.
    const now = await users.find(id);
    return now && (await hasher.verify(now.password_hash, password)) ? now : user;
  }
}
