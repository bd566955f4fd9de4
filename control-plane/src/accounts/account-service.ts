import { WarrenError } from "@warren/contracts/errors";
import type { ChangePassword, Me, UpdateMe } from "@warren/contracts/rest/accounts";
import type { AccountEvents } from "../audit/account-events.ts";
import type { AccessChanges } from "../auth/access-changes.ts";
import type { SignedInUser } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { toWireId } from "../identifiers/wire-id.ts";
import type { TeamStore } from "../teams/team-store.ts";
import type { PasswordHasher } from "../users/passwords.ts";
import { parseUserName } from "../users/user-name.ts";
import type { UserRow, UserStore } from "../users/user-store.ts";
import type { Reauthentication } from "./reauthentication.ts";

/** The sessions of users. */
export interface UserSessions {
  /** Ends all sessions of a user, except one. `db` may be a transaction. */
  endAll(userId: string, options: { except: string; db: Db }): Promise<void>;
}

/** What the service needs. */
export interface AccountServiceParts {
  db: Db;
  users: UserStore;
  teams: TeamStore;
  sessions: UserSessions;
  hasher: PasswordHasher;
  reauthentication: Reauthentication;
  changes: AccessChanges;
  audit: AccountEvents;
}

/** What users do with their own accounts. */
export class AccountService {
  readonly #parts: AccountServiceParts;

  constructor(parts: AccountServiceParts) {
    this.#parts = parts;
  }

  async describe(caller: SignedInUser): Promise<Me> {
    const { users, teams } = this.#parts;
    const user = await this.#find(caller);
    const providers = await users.providersOf(user.id);
    const team = caller.team && (await teams.findLive(caller.team.id));
    return {
      user_id: toWireId("usr", user.id),
      email: user.email,
      email_verified: user.email_verified_at !== null,
      name: user.name,
      is_admin: user.is_admin,
      has_password: user.password_hash !== null,
      providers,
      ...(team && caller.team
        ? {
            team: {
              team_id: toWireId("team", team.id),
              name: team.name,
              slug: team.slug,
              is_byoc: team.is_byoc,
              role: caller.team.role,
            },
          }
        : {}),
    };
  }

  async update(caller: SignedInUser, { name }: UpdateMe): Promise<void> {
    await this.#parts.users.setName(caller.userId, parseUserName(name));
    this.#parts.changes.announce({ userId: caller.userId });
  }

  /** Sets the password and ends all other sessions of the user. */
  async changePassword(caller: SignedInUser, request: ChangePassword): Promise<void> {
    const { db, users, sessions, hasher, reauthentication, changes, audit } = this.#parts;
    const user = await this.#find(caller);
    await reauthentication.require(user, caller.sessionId, request.current_password, "body/current_password");
    const passwordHash = await hasher.hash(request.new_password);
    await db.transaction().execute(async (transaction) => {
      await users.setPasswordHash(user.id, passwordHash, transaction);
      await sessions.endAll(user.id, { except: caller.sessionId, db: transaction });
      await audit.passwordChanged(transaction, caller);
    });
    changes.announce({ userId: user.id });
  }

  async #find(caller: SignedInUser): Promise<UserRow> {
    const user = await this.#parts.users.find(caller.userId);
    if (!user) throw new WarrenError("unauthorized", "the account of this session is gone");
    return user;
  }
}
