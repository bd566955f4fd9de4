import type { AdminUser, UpdateUser } from "@warren/contracts/rest/admin";
import type {
  AdminHostPage,
  AdminHostsQuery,
  AdminSandboxesQuery,
  AdminSandboxPage,
  AdminTeamPage,
  AdminTeamsQuery,
  AdminUserPage,
  AdminUsersQuery,
} from "@warren/contracts/rest/admin-lists";
import type { SetTeamQuota, TeamQuota } from "@warren/contracts/rest/quotas";
import type { SetUsageLimits, UsageLimits } from "@warren/contracts/rest/usage-limits";
import { AuditLogs } from "./audit-logs.ts";
import type { Transport } from "./transport.ts";
import { Webhooks } from "./webhooks.ts";

/**
 * The whole platform, for sessions of its administrators. Lists come in pages, the newest first: `cursor` takes the
 * `next_cursor` of the page before.
 */
export class Administration {
  /** What happened on the platform, for those who administer all of it. */
  readonly auditLogs: AuditLogs;
  /** Where the server sends what changes, in all teams and of all hosts. */
  readonly webhooks: Webhooks;
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.auditLogs = new AuditLogs(transport, "/v1/admin/audit-logs");
    this.webhooks = new Webhooks(transport, "/v1/admin/webhooks");
    this.#transport = transport;
  }

  users(query: AdminUsersQuery = {}, signal?: AbortSignal): Promise<AdminUserPage> {
    return this.#list("users", query, signal);
  }

  /** Deleted ones too. */
  teams(query: AdminTeamsQuery = {}, signal?: AbortSignal): Promise<AdminTeamPage> {
    return this.#list("teams", query, signal);
  }

  hosts(query: AdminHostsQuery = {}, signal?: AbortSignal): Promise<AdminHostPage> {
    return this.#list("hosts", query, signal);
  }

  /** Those that are not ended, unless `status` says otherwise. */
  sandboxes(query: AdminSandboxesQuery = {}, signal?: AbortSignal): Promise<AdminSandboxPage> {
    return this.#list("sandboxes", query, signal);
  }

  /** Lets another user administer the platform, or shuts the user out, or no longer. */
  updateUser(id: string, json: UpdateUser, signal?: AbortSignal): Promise<AdminUser> {
    return this.#transport.json({ method: "PATCH", path: `/v1/admin/users/${encodeURIComponent(id)}`, json, signal });
  }

  /** What a team may use and what it uses. */
  quota(teamId: string, signal?: AbortSignal): Promise<TeamQuota> {
    return this.#transport.json({ method: "GET", path: quotaPath(teamId), safe: true, signal });
  }

  /** Sets the limits that are named; null goes back to the server's default. */
  setQuota(teamId: string, json: SetTeamQuota, signal?: AbortSignal): Promise<TeamQuota> {
    return this.#transport.json({ method: "PUT", path: quotaPath(teamId), json, signal });
  }

  /** What a team may use in a month, and has used in this one. */
  usageLimits(teamId: string, signal?: AbortSignal): Promise<UsageLimits> {
    return this.#transport.json({ method: "GET", path: usageLimitsPath(teamId), safe: true, signal });
  }

  /** Sets the warnings and limits that are named; null takes one away. */
  setUsageLimits(teamId: string, json: SetUsageLimits, signal?: AbortSignal): Promise<UsageLimits> {
    return this.#transport.json({ method: "PUT", path: usageLimitsPath(teamId), json, signal });
  }

  #list<Page>(what: string, query: object, signal: AbortSignal | undefined): Promise<Page> {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const parameters = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
    return this.#transport.json({ method: "GET", path: `/v1/admin/${what}?${parameters}`, safe: true, signal });
  }
}

function usageLimitsPath(teamId: string): string {
  return `/v1/admin/teams/${encodeURIComponent(teamId)}/usage-limits`;
}

function quotaPath(teamId: string): string {
  return `/v1/admin/teams/${encodeURIComponent(teamId)}/quota`;
}
