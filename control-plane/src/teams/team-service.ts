import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import type { TeamRole } from "@warren/contracts/rest/accounts";
import type { UpdateTeam } from "@warren/contracts/rest/teams";
import { sql } from "kysely";
import type { TeamEvents } from "../audit/team-events.ts";
import type { AccessChanges } from "../auth/access-changes.ts";
import { type Actor, actorOf, type SignedInUser, type UserCaller } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import type { MembershipStore } from "./membership-store.ts";
import { requirePermission, type TeamAction } from "./permissions.ts";
import type { TeamRow, TeamStore } from "./team-store.ts";

/** The sandboxes of teams, as far as the end of a team concerns them. `Claimed`: those of one team. */
export interface TeamSandboxes<Claimed = unknown> {
  /** Takes all sandboxes of a team out of use, whatever their state, in the transaction that deletes the team. */
  claimAll(teamId: string, by: Actor, transaction: Db): Promise<Claimed>;
  /** Destroys what was claimed. */
  endAll(claimed: Claimed): Promise<void>;
}

/** The templates of teams, as far as the end of a team concerns them. */
export interface TeamTemplates {
  /** Removes all templates that a team has made. */
  deleteAll(teamId: string, by: Actor): Promise<void>;
}

/** What the service needs. */
export interface TeamServiceParts<Claimed> {
  db: Db;
  teams: TeamStore;
  memberships: MembershipStore;
  sandboxes: TeamSandboxes<Claimed>;
  templates: TeamTemplates;
  limiter: RateLimiter;
  changes: AccessChanges;
  audit: TeamEvents;
}

/** A team and the role that somebody has in it. */
export type TeamWithRole = TeamRow & { role: TeamRole };

/** The life of teams. A team has exactly one owner from its creation to its end. */
export class TeamService<Claimed = unknown> {
  readonly #parts: TeamServiceParts<Claimed>;

  constructor(parts: TeamServiceParts<Claimed>) {
    this.#parts = parts;
  }

  /** The user's live teams in the order of joining. */
  list(user: SignedInUser): Promise<TeamWithRole[]> {
    return this.#parts.teams.listOf(user.userId);
  }

  async get(caller: UserCaller): Promise<TeamWithRole> {
    const team = await this.#parts.teams.findLive(caller.teamId);
    if (!team) throw gone();
    return { ...team, role: caller.role };
  }

  /** Makes a team that the user owns. */
  async create(user: SignedInUser, name: string): Promise<TeamWithRole> {
    const { db, teams, memberships, limiter, audit } = this.#parts;
    await limiter.take("create teams as", user.userId, RATES.createTeam.account);
    return db.transaction().execute(async (transaction) => {
      // Creations by one user wait for each other, so that they are counted right.
      const { rows } = await sql`select from users where id = ${user.userId} for no key update`.execute(transaction);
      if (rows.length === 0) throw new WarrenError("unauthorized", "the account of this session is gone");
      if ((await teams.countOwned(user.userId, transaction)) >= LIMITS.ownedTeams) {
        throw new WarrenError(
          "quota_exceeded",
          `you own ${LIMITS.ownedTeams} teams, which is the most; delete one first`,
        );
      }
      const id = await teams.insert(name, transaction);
      await memberships.insert({ userId: user.userId, teamId: id, role: "owner" }, transaction);
      await audit.teamCreated(transaction, user, id, name);
      const team = await teams.findLive(id, transaction);
      return { ...team!, role: "owner" };
    });
  }

  async update(caller: UserCaller, { name, ...settings }: UpdateTeam): Promise<void> {
    const { teams, audit } = this.#parts;
    await this.withTeam(caller, "update", async (transaction, team) => {
      await teams.update(caller.teamId, { ...(name !== undefined && { name }), ...settings }, transaction);
      if (name !== undefined) {
        await audit.teamRenamed(transaction, caller, { old_name: team.name, new_name: name });
      }
      if (Object.keys(settings).length > 0) await audit.teamUpdated(transaction, caller, settings);
    });
  }

  /**
   * Deletes a team: from that moment nobody acts for it and no sandbox is added to it. Then its sandboxes are destroyed
   * and its templates removed; sandboxes that a host cannot destroy at this time are destroyed when it can.
   */
  async delete(caller: UserCaller): Promise<void> {
    const end = await this.withTeam(caller, "delete", (transaction, { id, name }) =>
      this.claim({ id, name }, actorOf(caller), transaction),
    );
    await end();
  }

  /**
   * Takes a team out of use, on behalf of somebody, in a transaction of `transact` that has locked it. Once that is
   * committed, the result ends what the team had.
   */
  async claim(team: { id: string; name: string }, by: Actor, transaction: Db): Promise<() => Promise<void>> {
    const { teams, sandboxes, templates, changes, audit } = this.#parts;
    await teams.markDeleted(team.id, transaction);
    await audit.teamDeleted(transaction, by, team);
    const claimed = await sandboxes.claimAll(team.id, by, transaction);
    return async () => {
      changes.announce({ teamId: team.id });
      await sandboxes.endAll(claimed);
      await templates.deleteAll(team.id, by);
    };
  }

  /**
   * Runs a change of the caller's team in a transaction that holds the team and has read the caller's role in it: throws
   * `no_team` when team or membership are gone, and `forbidden` when the role does not allow the action.
   */
  async withTeam<T>(
    caller: UserCaller,
    action: TeamAction,
    change: (transaction: Db, team: TeamWithRole) => Promise<T>,
  ): Promise<T> {
    const { db, teams, memberships } = this.#parts;
    return transact(db, async (transaction) => {
      const team = await teams.lockLive(caller.teamId, transaction);
      const role = team && (await memberships.roleOf(caller.userId, caller.teamId, transaction));
      if (!team || !role) throw gone();
      requirePermission(role, action);
      return change(transaction, { ...team, role });
    });
  }
}

function gone(): WarrenError {
  return new WarrenError("no_team", "the team is deleted, or you are no longer a member of it; switch to another team");
}
