import { WarrenError } from "@warren/contracts/errors";
import type { DeleteMe, DeletionPreview, TeamOutcome } from "@warren/contracts/rest/account-deletion";
import type { AuditLogger } from "../audit/audit-logger.ts";
import type { AccessChanges } from "../auth/access-changes.ts";
import { type Actor, actorOf, type SignedInUser } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import { toWireId } from "../identifiers/wire-id.ts";
import type { MembershipStore } from "../teams/membership-store.ts";
import type { UserRow, UserStore } from "../users/user-store.ts";
import type { LeavingStore, LeavingTeamRow } from "./leaving-store.ts";
import type { Reauthentication } from "./reauthentication.ts";

/** Attempts to find a moment at which the user joins no further team. */
const ATTEMPTS = 5;
/** Teams that a refusal names. */
const NAMED_TEAMS = 5;

/** The end of teams. */
export interface TeamEnds {
  /** Takes a team out of use on behalf of somebody, in a transaction; the result ends what it had, once that is committed. */
  claim(team: { id: string; name: string }, by: Actor, transaction: Db): Promise<() => Promise<void>>;
}

/** What the service needs. */
export interface AccountDeletionParts {
  db: Db;
  users: UserStore;
  memberships: MembershipStore;
  leaving: LeavingStore;
  teams: TeamEnds;
  reauthentication: Reauthentication;
  changes: AccessChanges;
  audit: AuditLogger;
}

/**
 * Deletes accounts, at once and for good: the teams that nobody else is in go with their sandboxes, which no waiting time
 * would bring back, and nothing else is the account's but its name and address, which nobody who has asked for their
 * deletion wants kept.
 */
export class AccountDeletion {
  readonly #parts: AccountDeletionParts;

  constructor(parts: AccountDeletionParts) {
    this.#parts = parts;
  }

  /** What `delete` would do at this moment. */
  async preview(caller: SignedInUser): Promise<DeletionPreview> {
    const { db, users, leaving } = this.#parts;
    const user = found(await users.find(caller.userId));
    const teams = await leaving.teamsOf(user.id, db);
    return {
      possible: teams.every((team) => outcomeOf(team) !== "blocks"),
      confirm_with: user.password_hash === null ? "recent_login" : "password",
      teams: teams.map((team) => ({
        team_id: toWireId("team", team.id),
        name: team.name,
        slug: team.slug,
        role: team.role,
        outcome: outcomeOf(team),
        other_members: team.other_members,
        sandboxes: team.sandboxes,
        templates: team.templates,
        api_keys: team.api_keys,
      })),
    };
  }

  /** Throws `owns_team_with_members`, having changed nothing, when the user owns a team that others are in. */
  async delete(caller: SignedInUser, { password }: DeleteMe): Promise<void> {
    const { users, reauthentication } = this.#parts;
    await reauthentication.require(found(await users.find(caller.userId)), caller.sessionId, password, "body/password");
    for (let attempt = 1; ; attempt++) {
      const ends = await transact(this.#parts.db, (transaction) => this.#delete(caller, transaction));
      if (ends) {
        this.#parts.changes.announce({ userId: caller.userId });
        await Promise.all(ends.map((end) => end()));
        return;
      }
      if (attempt === ATTEMPTS) throw new WarrenError("conflict", "you are being added to teams; try again");
    }
  }

  /** What ends the user's own teams; undefined when the user has joined another team meanwhile. */
  async #delete(caller: SignedInUser, transaction: Db): Promise<(() => Promise<void>)[] | undefined> {
    const { userId } = caller;
    const { users, memberships, leaving, teams } = this.#parts;
    // Teams before the user, as all who lock both. From here on nobody joins, leaves or takes over one of these teams,
    // and the user joins no other.
    const locked = await memberships.lockTeamsOf(userId, transaction);
    found(await users.lock(userId, transaction));
    const all = await leaving.teamsOf(userId, transaction);
    if (all.some(({ id }) => !locked.has(id))) return undefined;
    const blocking = all.filter((team) => outcomeOf(team) === "blocks");
    if (blocking.length > 0) throw ownsTeams(blocking);
    const ends = [];
    for (const team of all) {
      if (outcomeOf(team) === "deleted") {
        ends.push(await teams.claim(team, actorOf(caller), transaction));
      }
    }
    await this.#tell(caller, all, transaction);
    await users.remove(userId, transaction);
    return ends;
  }

  /** Those who stay in a team learn that the user has left it, and the platform that the account is gone. */
  async #tell(caller: SignedInUser, teams: LeavingTeamRow[], transaction: Db): Promise<void> {
    const { audit } = this.#parts;
    for (const team of teams) {
      if (outcomeOf(team) === "left") await audit.teams.memberLeft(transaction, caller, team.id);
    }
    await audit.accounts.accountDeleted(transaction, caller);
  }
}

function outcomeOf({ role, other_members }: LeavingTeamRow): TeamOutcome {
  if (role !== "owner") return "left";
  return other_members === 0 ? "deleted" : "blocks";
}

function ownsTeams(teams: LeavingTeamRow[]): WarrenError {
  const names = teams.slice(0, NAMED_TEAMS).map(({ name, slug }) => `${name} (${slug})`);
  const more = teams.length > NAMED_TEAMS ? ` and ${teams.length - NAMED_TEAMS} more` : "";
  return new WarrenError(
    "owns_team_with_members",
    `you own teams that others are in: transfer or delete ${names.join(", ")}${more} first`,
  );
}

function found(user: UserRow | undefined): UserRow {
  if (!user) throw new WarrenError("unauthorized", "the account of this session is gone");
  return user;
}
