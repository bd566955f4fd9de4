import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import type { CreateAdmin, PlatformPermission, ResetPassword, SetAdmin } from "@warren/contracts/rest/admin";
import type { SetTeamQuota } from "@warren/contracts/rest/quotas";
import type { SetUsageLimits } from "@warren/contracts/rest/usage-limits";
import type { AccountStore } from "../accounts/account-store.ts";
import { ALL_RIGHTS } from "../audit/account-events.ts";
import type { AuditLogger } from "../audit/audit-logger.ts";
import type { AccessChanges } from "../auth/access-changes.ts";
import { type Actor, OPERATOR } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import type { QuotaStore } from "../quotas/quota-store.ts";
import type { SessionStore } from "../sessions/session-store.ts";
import type { MembershipStore } from "../teams/membership-store.ts";
import type { TeamStore } from "../teams/team-store.ts";
import { changedSettings, changesBetween } from "../usage/limits/limit-settings.ts";
import type { UsageLimitStore } from "../usage/limits/usage-limit-store.ts";
import { normalizeEmail, parseEmail } from "../users/email.ts";
import type { PasswordHasher } from "../users/passwords.ts";
import { parseUserName } from "../users/user-name.ts";
import type { UserRow, UserStore } from "../users/user-store.ts";
import type { PlatformStore } from "./platform-store.ts";

/** What the service needs. */
export interface AdminServiceParts {
  db: Db;
  platform: PlatformStore;
  users: UserStore;
  accounts: AccountStore;
  sessions: SessionStore;
  hasher: PasswordHasher;
  memberships: MembershipStore;
  teams: TeamStore;
  quotas: QuotaStore;
  usageLimits: UsageLimitStore;
  changes: AccessChanges;
  audit: AuditLogger;
}

/** Who administers the platform. Only the operator of the server decides that, never whoever signs up first. */
export class AdminService {
  readonly #parts: AdminServiceParts;

  constructor(parts: AdminServiceParts) {
    this.#parts = parts;
  }

  /**
   * Makes an account that administers the platform and owns the teams that have no member; throws `email_taken`. What
   * `require` does in the transaction comes first, and refuses it by throwing.
   */
  async create(request: CreateAdmin, require?: (transaction: Db) => Promise<void>): Promise<UserRow> {
    const { db, accounts, platform, hasher, audit } = this.#parts;
    const email = parseEmail(request.email);
    const name = parseUserName(request.name);
    const passwordHash = await hasher.hash(request.password);
    return db.transaction().execute(async (transaction) => {
      await require?.(transaction);
      const { user, teamId } = await accounts.insert({ email, name, passwordHash, isAdmin: true }, transaction);
      await audit.accounts.signedUp(transaction, user, teamId, require ? {} : { by: OPERATOR });
      await audit.accounts.rightGranted(transaction, OPERATOR, user, ALL_RIGHTS);
      await platform.takeOverTeams(user.id, transaction);
      await platform.endSetupLink(transaction);
      return user;
    });
  }

  /**
   * Makes the account of the settings while nobody administers the platform. An account that has the address already
   * becomes administrator only if it has this password: anybody may have made it.
   */
  async ensureFirst({ email, password }: { email: string; password: string }): Promise<void> {
    const { platform, users, hasher } = this.#parts;
    if (await platform.hasAdmin()) return;
    const user = await users.findByEmail(normalizeEmail(email));
    if (!user) {
      if (
        [...password].length < LIMITS.password.minCharacters ||
        Buffer.byteLength(password) > LIMITS.password.maxBytes
      ) {
        throw new WarrenError(
          "invalid_request",
          `WARREN_ADMIN_PASSWORD must have at least ${LIMITS.password.minCharacters} characters and at most ` +
            `${LIMITS.password.maxBytes} bytes`,
        );
      }
      await this.create({ email, name: email.trim().split("@", 1)[0]!, password });
    } else if (await hasher.verify(user.password_hash, password)) {
      await this.grant({ email });
    } else {
      throw new WarrenError(
        "conflict",
        "the account of WARREN_ADMIN_EMAIL has another password than WARREN_ADMIN_PASSWORD; " +
          "use `warren admin grant` if the account is yours",
      );
    }
  }

  /** Lets a user administer the platform, and own the teams that have no member; or gives the user one right. */
  async grant({ email, permission }: SetAdmin): Promise<void> {
    const { db, platform, changes, audit } = this.#parts;
    const user = await this.#find(email);
    await transact(db, async (transaction) => {
      if (permission) await platform.addPermission(user.id, permission, transaction);
      else await platform.setAdministrator(user.id, true, transaction);
      await audit.accounts.rightGranted(transaction, OPERATOR, user, permission ?? ALL_RIGHTS);
    });
    changes.announce({ userId: user.id });
  }

  /** Takes the administration of the platform with all single rights, or one right, from a user. */
  async revoke({ email, permission }: SetAdmin): Promise<void> {
    const { db, platform, changes, audit } = this.#parts;
    const user = await this.#find(email);
    if (permission && user.is_admin) {
      throw new WarrenError(
        "conflict",
        `${user.email} administers the platform and so has every right on it; take that away first, then grant single ones`,
      );
    }
    await transact(db, async (transaction) => {
      if (permission) await platform.removePermission(user.id, permission, transaction);
      else await platform.setAdministrator(user.id, false, transaction);
      await audit.accounts.rightRevoked(transaction, OPERATOR, user, permission ?? ALL_RIGHTS);
    });
    changes.announce({ userId: user.id });
  }

  /** Shuts a user out, or no longer. */
  async setDeactivated(email: string, isDeactivated: boolean): Promise<void> {
    const { db, users, changes, audit } = this.#parts;
    const user = await this.#find(email);
    await transact(db, async (transaction) => {
      await users.setDeactivated(user.id, isDeactivated, transaction);
      await audit.accounts.activationSet(transaction, OPERATOR, user, !isDeactivated);
    });
    changes.announce({ userId: user.id });
  }

  /** Gives a user a new password and ends all sessions of the user. */
  async resetPassword({ email, password }: ResetPassword): Promise<void> {
    const { db, users, memberships, sessions, hasher, changes, audit } = this.#parts;
    const user = await this.#find(email);
    const passwordHash = await hasher.hash(password);
    await db.transaction().execute(async (transaction) => {
      await users.setPasswordHash(user.id, passwordHash, transaction);
      await sessions.endAll(user.id, { db: transaction });
      const team = await memberships.firstTeam(user.id, transaction);
      await audit.accounts.passwordReset(transaction, user, team?.id, OPERATOR);
    });
    changes.announce({ userId: user.id });
  }

  /** Says whether a live team runs its sandboxes on hosts of its own. */
  async setByoc(by: Actor, teamId: string, isByoc: boolean): Promise<void> {
    const { db, platform, audit } = this.#parts;
    await transact(db, async (transaction) => {
      await platform.setByoc(teamId, isByoc, transaction);
      await audit.teams.byocSet(transaction, by, teamId, isByoc);
    });
  }

  /** Sets limits of a team; those that are not named stay as they are. */
  async setQuota(by: Actor, teamId: string, limits: SetTeamQuota): Promise<void> {
    const { db, quotas, audit } = this.#parts;
    await transact(db, async (transaction) => {
      await quotas.set(teamId, limits, transaction);
      await audit.teams.quotaUpdated(transaction, by, teamId, limits);
    });
  }

  /**
   * Sets what a team may use in a month; what is not named stays as it is. Throws `invalid_request` for a warning above its
   * limit, and `not_found` when the team is deleted.
   */
  async setUsageLimits(by: Actor, teamId: string, change: SetUsageLimits): Promise<void> {
    const { db, teams, usageLimits, audit } = this.#parts;
    await transact(db, async (transaction) => {
      if (!(await teams.lockLive(teamId, transaction))) throw new WarrenError("not_found", "there is no such team");
      const before = await usageLimits.settings(teamId, transaction);
      const after = changedSettings(before, change);
      const changes = changesBetween(before, after);
      if (Object.keys(changes).length === 0) return;
      await usageLimits.set(teamId, after, transaction);
      await audit.teams.usageLimited(transaction, by, teamId, changes);
    });
  }

  /** Throws `forbidden` unless a user administers the platform or has a right on it, which is never `all`. */
  async require(userId: string, permission: PlatformPermission | typeof ALL_RIGHTS): Promise<void> {
    if (await this.#parts.platform.isAllowed(userId, permission)) return;
    if (permission === ALL_RIGHTS) throw new WarrenError("forbidden", "only administrators of the platform may");
    throw new WarrenError(
      "forbidden",
      `only administrators of the platform, or users with its right "${permission}", may`,
    );
  }

  async #find(email: string): Promise<UserRow> {
    const user = await this.#parts.users.findByEmail(normalizeEmail(email));
    if (!user) throw new WarrenError("not_found", `nobody has an account with the address ${normalizeEmail(email)}`);
    return user;
  }
}
