import type { TeamRole } from "@warren/contracts/rest/accounts";
import {
  type Actor,
  actorOf,
  type Caller,
  type Identity,
  type SignedInUser,
  SYSTEM,
  type UserCaller,
} from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { toWireId } from "../identifiers/wire-id.ts";
import { type AuditEvent, type AuditMetadata, PLATFORM } from "./audit-event.ts";
import { recordForBoth, recordIn } from "./audit-store.ts";

/**
 * The events of a team, its members, keys, templates and limits. All but one belong to a change, whose transaction they take.
 * What administrators of the platform decide about a team is told to the team and to the platform.
 */
export class TeamEvents {
  readonly #record: (event: AuditEvent) => Promise<void>;

  /** `record` takes events that belong to no change. */
  constructor(record: (event: AuditEvent) => Promise<void>) {
    this.#record = record;
  }

  /** A template was made; `overwrote`: in the place of another. */
  snapshotCreated(db: Db, by: Caller, name: string, about: { sandbox: string; overwrote: boolean }) {
    const event = { resource: "snapshot", action: "create", resourceId: name } as const;
    return recordIn(db, { ...of(by), ...event, status: "success", metadata: about });
  }

  snapshotDeleted(db: Db, by: Actor, { team_id, name }: { team_id: string; name: string }) {
    const event = { teamId: team_id, actor: by, resource: "snapshot", action: "delete", resourceId: name } as const;
    return recordIn(db, { ...event, status: "warning" });
  }

  teamCreated(db: Db, by: Identity, teamId: string, name: string) {
    return recordIn(db, { ...ofTeam(actorOf(by), teamId), action: "create", status: "success", metadata: { name } });
  }

  teamRenamed(db: Db, by: UserCaller, names: { old_name: string; new_name: string }) {
    return recordIn(db, { ...ofTeam(actorOf(by), by.teamId), action: "rename", status: "info", metadata: names });
  }

  /** Settings of a team were changed; `settings` has their new values. */
  teamUpdated(db: Db, by: UserCaller, settings: AuditMetadata) {
    return recordIn(db, { ...ofTeam(actorOf(by), by.teamId), action: "update", status: "info", metadata: settings });
  }

  ownershipTransferred(db: Db, by: UserCaller, userId: string, email: string) {
    const metadata = { new_owner: toWireId("usr", userId), email };
    return recordIn(db, { ...ofTeam(actorOf(by), by.teamId), action: "transfer", status: "warning", metadata });
  }

  byocSet(db: Db, by: Actor, teamId: string, isByoc: boolean) {
    const metadata = { is_byoc: isByoc };
    const event = { ...ofTeam(by, teamId), action: "set_byoc", status: "info", metadata } as const;
    return recordForBoth(db, event);
  }

  teamDeleted(db: Db, by: Actor, { id, name }: { id: string; name: string }) {
    return recordIn(db, { ...ofTeam(by, id), action: "delete", status: "warning", metadata: { name } });
  }

  memberAdded(db: Db, by: UserCaller, userId: string, about: { email: string; role: TeamRole }) {
    return recordIn(db, { ...ofMember(by, userId), action: "add", status: "success", metadata: about });
  }

  roleUpdated(db: Db, by: UserCaller, userId: string, about: { email: string; new_role: TeamRole }) {
    return recordIn(db, { ...ofMember(by, userId), action: "role_update", status: "info", metadata: about });
  }

  memberRemoved(db: Db, by: UserCaller, userId: string, about: { email: string; revoked_api_keys: boolean }) {
    return recordIn(db, { ...ofMember(by, userId), action: "remove", status: "warning", metadata: about });
  }

  /** A member has left a team, such as by the deletion of the account. */
  memberLeft(db: Db, by: SignedInUser, teamId: string) {
    const event = { teamId, actor: actorOf(by), resource: "member", resourceId: toWireId("usr", by.userId) } as const;
    return recordIn(db, { ...event, action: "leave", status: "info", metadata: { email: by.email } });
  }

  apiKeyCreated(
    db: Db,
    by: UserCaller,
    id: string,
    about: { name: string; scopes: readonly string[]; expires_at?: string },
  ) {
    return recordIn(db, { ...ofKey(by, id), action: "create", status: "success", metadata: about });
  }

  apiKeyRevoked(db: Db, by: UserCaller, id: string, about: { name: string }) {
    return recordIn(db, { ...ofKey(by, id), action: "revoke", status: "warning", metadata: about });
  }

  /** Limits of a team were set; null stands for the default. */
  quotaUpdated(db: Db, by: Actor, teamId: string, limits: AuditMetadata) {
    const event = { teamId, actor: by, resource: "quota", action: "update", status: "info", metadata: limits } as const;
    return recordForBoth(db, event);
  }

  /** What a team may use in a month was set; `changes` has each as `new_…` and `old_…`, null for none. */
  usageLimited(db: Db, by: Actor, teamId: string, changes: AuditMetadata) {
    const about = { teamId, actor: by, resource: "quota", action: "limit_usage" } as const;
    return recordForBoth(db, { ...about, status: "info", metadata: changes });
  }

  /**
   * Teams have used as much of something in a month as they are warned of, or all that they may, so that their sandboxes are
   * paused.
   */
  usageCrossed(
    db: Db,
    crossings: readonly {
      team_id: string;
      amount: string;
      level: "warning" | "limit";
      threshold: number;
      used: number;
      month: string;
    }[],
  ) {
    const event = ({ team_id, level, threshold, ...about }: (typeof crossings)[number]): AuditEvent => ({
      teamId: team_id,
      actor: SYSTEM,
      resource: "quota",
      ...(level === "warning"
        ? { action: "warn", status: "warning", metadata: { ...about, warning: threshold } }
        : { action: "reach_limit", status: "error", metadata: { ...about, limit: threshold } }),
    });
    return recordIn(db, ...crossings.map(event));
  }

  /** Something was refused, and so has changed nothing: the transaction that would have done it is over. */
  quotaRefused(by: Caller, about: { quota: string; used: number; limit: number; needed?: number }): Promise<void> {
    return this.#record({ ...of(by), resource: "quota", action: "refuse", status: "warning", metadata: about });
  }

  /** A host was made known; `teamId` is that of the team whose own it is. */
  hostCreated(db: Db, by: Actor, id: string, teamId: string | null, about: { provider: string; address?: string }) {
    return recordIn(db, { ...ofHost(id, teamId, by), action: "create", status: "success", metadata: about });
  }

  /** A token was made with which a host can register. */
  hostTokenIssued(db: Db, by: Actor, id: string, teamId: string | null) {
    return recordIn(db, { ...ofHost(id, teamId, by), action: "issue_token", status: "info" });
  }

  /** A host took up its registration. */
  hostRegistered(db: Db, id: string, teamId: string | null, about: { address: string }) {
    return recordIn(db, { ...ofHost(id, teamId), action: "register", status: "success", metadata: about });
  }

  /** A host was deleted, with the sandboxes and templates that were on it. */
  hostDeleted(
    db: Db,
    by: Actor,
    id: string,
    teamId: string | null,
    about: { address: string; sandboxes: number; templates: readonly string[] },
  ) {
    return recordIn(db, { ...ofHost(id, teamId, by), action: "delete", status: "warning", metadata: about });
  }

  /** It was decided whether a host takes sandboxes. */
  hostServiceSet(db: Db, by: Actor, id: string, teamId: string | null, action: "drain" | "set_offline" | "set_online") {
    return recordIn(db, { ...ofHost(id, teamId, by), action, status: "info" });
  }

  /** A host answers, for the first time or `again`; `teamId` is that of the team whose own it is. */
  hostMarkedUp(db: Db, id: string, teamId: string | null, again: boolean) {
    const metadata = again ? { again } : {};
    return recordIn(db, { ...ofHost(id, teamId), action: "marked_up", status: "success", metadata });
  }

  /** A host does not answer. */
  hostMarkedDown(db: Db, id: string, teamId: string | null) {
    return recordIn(db, { ...ofHost(id, teamId), action: "marked_down", status: "error" });
  }
}

function of(by: Caller) {
  return { teamId: by.teamId, actor: actorOf(by) };
}

function ofTeam(actor: Actor, teamId: string) {
  return { teamId, actor, resource: "team", resourceId: toWireId("team", teamId) } as const;
}

function ofMember(by: UserCaller, userId: string) {
  return { ...of(by), resource: "member", resourceId: toWireId("usr", userId) } as const;
}

function ofKey(by: UserCaller, id: string) {
  return { ...of(by), resource: "api_key", resourceId: toWireId("key", id) } as const;
}

function ofHost(id: string, teamId: string | null, actor: Actor = SYSTEM) {
  const resourceId = toWireId("host", id);
  return { teamId: teamId ?? PLATFORM, actor, resource: "host", resourceId } as const;
}
