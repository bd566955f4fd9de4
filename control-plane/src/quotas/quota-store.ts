import { QUOTA_RESOURCES, type QuotaAmounts, type SetTeamQuota, type TeamQuota } from "@warren/contracts/rest/quotas";
import { sql } from "kysely";
import { LIVE } from "../database/live-sandboxes.ts";
import type { Db } from "../database/tables.ts";

/** Bytes of a MiB. */
export const MIB = 1024 * 1024;

/** What admission goes by. */
export interface CurrentQuota extends TeamQuota {
  /** Whether anything is set for what the team uses in a month. */
  isUsageLimited: boolean;
}

/** What teams may use and what they use. `db` may be a transaction everywhere. */
export class QuotaStore {
  readonly #db: Db;
  readonly #defaults: QuotaAmounts;

  /** `defaults`: limits of teams for which nothing else is set. */
  constructor(db: Db, defaults: QuotaAmounts) {
    this.#db = db;
    this.#defaults = defaults;
  }

  /** Limits and usage of a team. */
  async get(teamId: string, db: Db = this.#db): Promise<TeamQuota> {
    const { limits, usage } = await this.current(teamId, db);
    return { limits, usage };
  }

  /** The same, and whether there is more to ask for, in one query. */
  async current(teamId: string, db: Db): Promise<CurrentQuota> {
    const { rows } = await sql<Record<string, number | null> & { is_usage_limited: boolean }>`
      select quota.*, used.*, stored.*, kept.*,
        exists (select from team_usage_limits where team_id = of.team) as is_usage_limited
      from (select ${teamId}::uuid as team) as of
      left join team_quotas as quota on quota.team_id = of.team
      cross join lateral (
        select count(*) as used_sandboxes, coalesce(sum(vcpus), 0) as used_vcpus,
          coalesce(sum(memory_mb), 0) as used_memory_mb
        from sandboxes where team_id = of.team and status <> 'paused' and ${LIVE}
      ) as used
      cross join lateral (
        select count(*) as used_templates, coalesce(sum(size_bytes), 0)::bigint as template_bytes
        from templates where team_id = of.team
      ) as stored
      cross join lateral (
        select coalesce(sum(disk_bytes), 0)::bigint as sandbox_bytes
        from sandboxes where team_id = of.team and status = 'paused'
      ) as kept
    `.execute(db);
    const row = rows[0]!;
    const limits = { ...this.#defaults };
    for (const resource of QUOTA_RESOURCES) limits[resource] = row[resource] ?? limits[resource];
    return {
      limits,
      usage: {
        sandboxes: row.used_sandboxes!,
        vcpus: row.used_vcpus!,
        memory_mb: row.used_memory_mb!,
        templates: row.used_templates!,
        disk_mb: Math.ceil((row.template_bytes! + row.sandbox_bytes!) / MIB),
      },
      isUsageLimited: row.is_usage_limited,
    };
  }

  /** Sets the limits that are named; null goes back to the default. */
  async set(teamId: string, limits: SetTeamQuota, db: Db): Promise<void> {
    await db
      .insertInto("team_quotas")
      .values({
        team_id: teamId,
        sandboxes: limits.sandboxes ?? null,
        vcpus: limits.vcpus ?? null,
        memory_mb: limits.memory_mb ?? null,
        templates: limits.templates ?? null,
        disk_mb: limits.disk_mb ?? null,
      })
      .onConflict((conflict) => conflict.column("team_id").doUpdateSet(limits))
      .execute();
  }
}
