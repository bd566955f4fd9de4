import type { Db } from "../database/tables.ts";
import type { MembershipStore } from "../teams/membership-store.ts";
import type { TeamStore } from "../teams/team-store.ts";
import type { NewUser, UserRow, UserStore } from "../users/user-store.ts";

/** Makes accounts: a user and the team of their own, which a user always has at first. */
export class AccountStore {
  readonly #users: UserStore;
  readonly #teams: TeamStore;
  readonly #memberships: MembershipStore;

  constructor(users: UserStore, teams: TeamStore, memberships: MembershipStore) {
    this.#users = users;
    this.#teams = teams;
    this.#memberships = memberships;
  }

  /** Stores user, team and ownership; throws `email_taken`. The caller commits or rolls back. */
  async insert(user: NewUser, transaction: Db): Promise<{ user: UserRow; teamId: string }> {
    const row = await this.#users.insert(user, transaction);
    const teamId = await this.#teams.insert(`${user.name}'s Team`, transaction);
    await this.#memberships.insert({ userId: row.id, teamId, role: "owner", isDefault: true }, transaction);
    return { user: row, teamId };
  }
}
