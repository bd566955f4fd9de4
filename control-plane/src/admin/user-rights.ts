import { WarrenError } from "@warren/contracts/errors";
import type { UpdateUser } from "@warren/contracts/rest/admin";
import { sql } from "kysely";
import { type AccountEvents, ALL_RIGHTS } from "../audit/account-events.ts";
import type { AccessChanges } from "../auth/access-changes.ts";
import { actorOf, type SignedInUser } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import type { UserStore } from "../users/user-store.ts";
import type { PlatformStore } from "./platform-store.ts";

/** What the service needs. */
export interface UserRightsParts {
  db: Db;
  users: UserStore;
  platform: PlatformStore;
  changes: AccessChanges;
  audit: AccountEvents;
}

/** A user whose rights are held in a transaction. */
interface HeldUser {
  id: string;
  name: string;
  email: string;
  is_admin: boolean;
  deactivated_at: Date | null;
  has_rights: boolean;
}

/**
 * What administrators let other users do on the platform. None of it is for oneself, so that there is always one who
 * administers it, whatever several of them do at the same moment.
 */
export class UserRights {
  readonly #parts: UserRightsParts;

  constructor(parts: UserRightsParts) {
    this.#parts = parts;
  }

  /** Changes a user on behalf of another one, who administers the platform or has its right `users`. `userId` is a UUID. */
  async update(by: SignedInUser, userId: string, { is_admin, deactivated }: UpdateUser): Promise<void> {
    const { db, users, platform, changes, audit } = this.#parts;
    const callerId = by.userId;
    if (userId === callerId) {
      throw new WarrenError("conflict", "your own rights are for another administrator to change");
    }
    await transact(db, async (transaction) => {
      const actor = actorOf(by);
      const held = await holdUsers([callerId, userId], transaction);
      const [caller, user] = [held.get(callerId), held.get(userId)];
      // Once more, now that nobody else changes it.
      if (!caller || caller.deactivated_at !== null) throw new WarrenError("forbidden", "you may no longer do this");
      if (!user) throw new WarrenError("not_found", "there is no such user");
      if (!caller.is_admin && (is_admin !== undefined || user.is_admin || user.has_rights)) {
        throw new WarrenError("forbidden", "only administrators of the platform may change who has rights on it");
      }
      if (is_admin !== undefined) {
        await platform.setAdministrator(userId, is_admin, transaction);
        await audit[is_admin ? "rightGranted" : "rightRevoked"](transaction, actor, user, ALL_RIGHTS);
      }
      if (deactivated !== undefined) {
        await users.setDeactivated(userId, deactivated, transaction);
        await audit.activationSet(transaction, actor, user, !deactivated);
      }
    });
    changes.announce({ userId });
  }
}

/** Holds users until the transaction ends, always in the same order. */
async function holdUsers(ids: string[], transaction: Db): Promise<Map<string, HeldUser>> {
  const { rows } = await sql<HeldUser>`
    select id, name, email, is_admin, deactivated_at,
      exists (select from admin_permissions where user_id = users.id) as has_rights
    from users where id = any(${ids}::uuid[]) order by id for no key update
  `.execute(transaction);
  return new Map(rows.map((row) => [row.id, row]));
}
