import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import type { TeamRole } from "@warren/contracts/rest/accounts";
import type { TeamEvents } from "../audit/team-events.ts";
import type { AccessChanges } from "../auth/access-changes.ts";
import type { UserCaller } from "../callers/caller.ts";
import { isForeignKeyViolation } from "../database/foreign-key-violation.ts";
import type { Db } from "../database/tables.ts";
import { isUniqueViolation } from "../database/unique-violation.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import { parseEmail } from "../users/email.ts";
import type { UserStore } from "../users/user-store.ts";
import type { MemberRow, MembershipStore } from "./membership-store.ts";
import type { TeamService } from "./team-service.ts";

/** The API keys of teams. */
export interface TeamApiKeys {
  /** Deletes the keys of a team that a user has made; returns them. */
  deleteOfCreator(teamId: string, userId: string, transaction: Db): Promise<{ id: string; name: string }[]>;
}

/** What the service needs. */
export interface MemberServiceParts {
  teams: TeamService;
  memberships: MembershipStore;
  users: UserStore;
  apiKeys: TeamApiKeys;
  limiter: RateLimiter;
  /** Whether only users whose address is verified are added. */
  verifiedOnly: boolean;
  changes: AccessChanges;
  audit: TeamEvents;
}

/** The members of a team and their roles. The owner stays until ownership is transferred. */
export class MemberService {
  readonly #parts: MemberServiceParts;

  constructor(parts: MemberServiceParts) {
    this.#parts = parts;
  }

  /** Members in the order of joining. */
  list(caller: UserCaller): Promise<MemberRow[]> {
    return this.#parts.memberships.members(caller.teamId);
  }

  /** Adds the user with an address to the caller's team, as a member. */
  async add(caller: UserCaller, address: string): Promise<MemberRow> {
    const { teams, memberships, users, limiter, verifiedOnly, changes, audit } = this.#parts;
    await limiter.take("add members as", caller.userId, RATES.addMember.account);
    const email = parseEmail(address);
    try {
      const added = await teams.withTeam(caller, "manageMembers", async (transaction) => {
        const user = await users.findByEmail(email, transaction);
        if (!user) throw noAccount(email);
        const isVerified = user.email_verified_at !== null;
        if (verifiedOnly && !isVerified) {
          throw new WarrenError(
            "invalid_state",
            `the account with the address ${email} has not shown that the address is its own: it must be verified first, ` +
              "by the mail that POST /v1/me/email/verification sends, or by signing in through a provider",
          );
        }
        if ((await memberships.count(caller.teamId, transaction)) >= LIMITS.members) {
          throw new WarrenError("quota_exceeded", `the team has ${LIMITS.members} members, which is the most`);
        }
        const membership = { userId: user.id, teamId: caller.teamId, role: "member" as const };
        const joinedAt = await memberships.insert(membership, transaction);
        await audit.memberAdded(transaction, caller, user.id, { email, role: membership.role });
        return {
          user_id: user.id,
          name: user.name,
          email: user.email,
          email_verified: isVerified,
          role: membership.role,
          created_at: joinedAt,
        };
      });
      changes.announce({ userId: added.user_id });
      return added;
    } catch (error) {
      if (isForeignKeyViolation(error)) throw noAccount(email);
      if (isUniqueViolation(error)) throw new WarrenError("invalid_request", `${email} is a member already`);
      throw error;
    }
  }

  async setRole(caller: UserCaller, userId: string, role: Exclude<TeamRole, "owner">): Promise<void> {
    const { teams, memberships, changes, audit } = this.#parts;
    await teams.withTeam(caller, "manageMembers", async (transaction) => {
      await this.#requireNotOwner(userId, caller.teamId, transaction);
      await memberships.setRole(userId, caller.teamId, role, transaction);
      const email = await this.#emailOf(userId, transaction);
      await audit.roleUpdated(transaction, caller, userId, { email, new_role: role });
    });
    changes.announce({ userId });
  }

  /** Removes a member, and with `revokeApiKeys` the team's API keys that the member made. */
  async remove(caller: UserCaller, userId: string, { revokeApiKeys }: { revokeApiKeys: boolean }): Promise<void> {
    const { teams, memberships, apiKeys, changes, audit } = this.#parts;
    await teams.withTeam(caller, "manageMembers", async (transaction) => {
      await this.#requireNotOwner(userId, caller.teamId, transaction);
      await memberships.remove(userId, caller.teamId, transaction);
      const revoked = revokeApiKeys ? await apiKeys.deleteOfCreator(caller.teamId, userId, transaction) : [];
      const email = await this.#emailOf(userId, transaction);
      await audit.memberRemoved(transaction, caller, userId, { email, revoked_api_keys: revokeApiKeys });
      for (const { id, name } of revoked) await audit.apiKeyRevoked(transaction, caller, id, { name });
    });
    changes.announce({ userId, teamId: caller.teamId });
  }

  /** Ends the caller's own membership. */
  async leave(caller: UserCaller): Promise<void> {
    const { teams, memberships, changes, audit } = this.#parts;
    await teams.withTeam(caller, "leave", async (transaction) => {
      await memberships.remove(caller.userId, caller.teamId, transaction);
      await audit.memberLeft(transaction, caller, caller.teamId);
    });
    changes.announce({ userId: caller.userId });
  }

  /** Makes another member the owner; the caller, the owner so far, becomes an admin. */
  async transferOwnership(caller: UserCaller, userId: string): Promise<void> {
    const { teams, memberships, changes, audit } = this.#parts;
    await teams.withTeam(caller, "transfer", async (transaction) => {
      const role = await memberships.roleOf(userId, caller.teamId, transaction);
      if (!role) throw notAMember();
      if (role === "owner") throw new WarrenError("conflict", "you are the owner already");
      // In this order, since a team never has two owners.
      await memberships.setRole(caller.userId, caller.teamId, "admin", transaction);
      await memberships.setRole(userId, caller.teamId, "owner", transaction);
      await audit.ownershipTransferred(transaction, caller, userId, await this.#emailOf(userId, transaction));
    });
    changes.announce({ teamId: caller.teamId });
  }

  /** The address by which people know a user. */
  async #emailOf(userId: string, transaction: Db): Promise<string> {
    return (await this.#parts.users.find(userId, transaction))?.email ?? "";
  }

  async #requireNotOwner(userId: string, teamId: string, transaction: Db): Promise<void> {
    const role = await this.#parts.memberships.roleOf(userId, teamId, transaction);
    if (!role) throw notAMember();
    if (role === "owner") {
      throw new WarrenError("forbidden", "the owner keeps the role until the owner transfers it to another member");
    }
  }
}

function noAccount(email: string): WarrenError {
  return new WarrenError("not_found", `nobody has an account with the address ${email}`);
}

function notAMember(): WarrenError {
  return new WarrenError("not_found", "this user is not a member of the team");
}
