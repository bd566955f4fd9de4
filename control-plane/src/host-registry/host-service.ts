import { randomUUID } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import type { TeamRole } from "@warren/contracts/rest/accounts";
import type { CreateHost } from "@warren/contracts/rest/hosts";
import type { TeamEvents } from "../audit/team-events.ts";
import type { Db } from "../database/tables.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import type { MembershipStore } from "../teams/membership-store.ts";
import { requirePermission } from "../teams/permissions.ts";
import type { TeamStore } from "../teams/team-store.ts";
import { actorOfKeeper, type HostKeeper, userIdOfKeeper } from "./host-keeper.ts";
import type { Registration } from "./registration.ts";
import type { HostRow, RegistryStore } from "./registry-store.ts";

/** What the service needs. */
export interface HostServiceParts {
  store: RegistryStore;
  registration: Registration;
  teams: TeamStore;
  memberships: MembershipStore;
  /** Whether a user, by UUID, manages the hosts of the whole platform. */
  managesHosts(userId: string): Promise<boolean>;
  audit: TeamEvents;
}

/** Hosts, as people see and manage them: the platform's administrators all of them, members those of their team. */
export class HostService {
  readonly #parts: HostServiceParts;

  constructor(parts: HostServiceParts) {
    this.#parts = parts;
  }

  /** Makes a host known, with a token by which it registers. */
  async create(by: HostKeeper, request: CreateHost): Promise<{ host: HostRow; token: string }> {
    const { store, registration, audit } = this.#parts;
    const mayMakeAny = await this.#managesAll(by);
    if (!mayMakeAny) await this.#requireTeamAdmin(by, request);
    const teamId = await this.#teamOf(request);
    const { type, provider = "", availability_zone = "" } = request;
    const actor = actorOfKeeper(by);
    const userId = userIdOfKeeper(by);
    const make = async (transaction: Db) => {
      if (!mayMakeAny) await this.#requireRoom(teamId!, transaction);
      const row = { id: randomUUID(), type, team_id: teamId, provider, availability_zone, created_by: userId };
      const inserted = await store.insert(row, transaction);
      await audit.hostCreated(transaction, actor, inserted.id, teamId, { provider });
      return inserted;
    };
    return registration.issueTokenFor(make, actor, userId);
  }

  /** All hosts for whoever manages the platform's, else those of the session's team. */
  async list(by: HostKeeper): Promise<HostRow[]> {
    const { store } = this.#parts;
    if (await this.#managesAll(by)) return store.list();
    return by.kind === "user" && by.team ? store.list(by.team.id) : [];
  }

  /** A host that a user may see; throws `not_found`. */
  async get(by: HostKeeper, hostId: string): Promise<HostRow> {
    return (await this.#see(by, hostId)).host;
  }

  /** A host that a user may delete, or have registered; throws `not_found` or `forbidden`. */
  async requireManaged(by: HostKeeper, hostId: string): Promise<HostRow> {
    const { host, role } = await this.#see(by, hostId);
    if (role) requirePermission(role, "manageHosts");
    return host;
  }

  /** A new registration token for a host that has not registered, or that was lost. */
  async newToken(by: HostKeeper, hostId: string): Promise<string> {
    const host = await this.requireManaged(by, hostId);
    if (host.status !== "pending" && host.status !== "unreachable") {
      throw new WarrenError(
        "invalid_state",
        `the host is ${host.status}; only one that waits, or is lost, can register`,
      );
    }
    return this.#parts.registration.issueToken(host, actorOfKeeper(by), userIdOfKeeper(by));
  }

  async tags(by: HostKeeper, hostId: string): Promise<string[]> {
    return this.#parts.store.tags((await this.#see(by, hostId)).host.id);
  }

  async addTag(by: HostKeeper, hostId: string, tag: string): Promise<void> {
    const { host } = await this.#see(by, hostId);
    if (await this.#parts.store.addTag(host.id, tag, LIMITS.hostTags)) return;
    throw new WarrenError("quota_exceeded", `the host has ${LIMITS.hostTags} tags, which is the most; remove some`);
  }

  async removeTag(by: HostKeeper, hostId: string, tag: string): Promise<void> {
    const { host } = await this.#see(by, hostId);
    if (!(await this.#parts.store.removeTag(host.id, tag)))
      throw new WarrenError("not_found", "the host has no such tag");
  }

  async #managesAll(by: HostKeeper): Promise<boolean> {
    return by.kind === "operator" || this.#parts.managesHosts(by.userId);
  }

  /** A host, and the caller's role in its team unless the caller manages all hosts. */
  async #see(by: HostKeeper, hostId: string): Promise<{ host: HostRow; role?: TeamRole }> {
    const { store, memberships } = this.#parts;
    const host = await store.find(hostId);
    if (host && (await this.#managesAll(by))) return { host };
    const userId = userIdOfKeeper(by);
    const role = host?.team_id && userId ? (await memberships.lookUp(userId, host.team_id)).role : null;
    if (!host || !role) throw new WarrenError("not_found", "there is no such host");
    return { host, role };
  }

  /** Throws `forbidden` unless a host is for a team whose hosts somebody manages. */
  async #requireTeamAdmin(by: HostKeeper, { type, team_id }: CreateHost): Promise<void> {
    const isOfTeam = type === "byoc" && team_id !== undefined;
    const userId = userIdOfKeeper(by);
    const teamId = isOfTeam ? fromWireId("team", team_id) : undefined;
    const role = userId && teamId ? (await this.#parts.memberships.lookUp(userId, teamId)).role : null;
    if (role) return requirePermission(role, "manageHosts");
    throw new WarrenError(
      "forbidden",
      'only administrators of the platform, or users with its right "hosts", may; the owner and admins of a team may for that team',
    );
  }

  async #requireRoom(teamId: string, transaction: Db): Promise<void> {
    if ((await this.#parts.store.countOfTeam(teamId, transaction)) < LIMITS.teamHosts) return;
    throw new WarrenError("quota_exceeded", `the team has ${LIMITS.teamHosts} hosts, which is the most; delete some`);
  }

  /** UUID of the team that a new host is for; null for all of them. */
  async #teamOf({ type, team_id }: CreateHost): Promise<string | null> {
    if (type === "regular") {
      if (team_id === undefined) return null;
      throw new WarrenError("invalid_request", "body/team_id is for hosts of type byoc alone");
    }
    if (team_id === undefined) throw new WarrenError("invalid_request", "body/team_id must name the team of the host");
    const id = fromWireId("team", team_id);
    const team = await this.#parts.teams.findLive(id);
    if (!team) throw new WarrenError("not_found", "there is no such team");
    if (team.is_byoc) return id;
    throw new WarrenError("conflict", "the team does not run its sandboxes on hosts of its own; let it do so first");
  }
}
