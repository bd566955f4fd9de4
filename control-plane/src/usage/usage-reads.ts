import { LIMITS } from "@warren/contracts/limits";
import type { TeamUsage } from "@warren/contracts/rest/usage";
import { type RawBuilder, sql } from "kysely";
import type { Db } from "../database/tables.ts";
import { added, amountsOf, NOTHING } from "./usage-amounts.ts";
import { daysOf, type UsagePeriod } from "./usage-period.ts";
import type { UsageColumns } from "./usage-tables.ts";

/** Sums of what rows have. */
const SUMS = sql`
  sum(cpu_us)::float8 as cpu_us, sum(memory_mb_ms)::float8 as memory_mb_ms,
  sum(disk_mb_ms)::float8 as disk_mb_ms, sum(egress_bytes)::float8 as egress_bytes`;

/** What teams have used. */
export class UsageReads {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Use of a team, day by day, and of each sandbox or template where that is asked for. */
  async get(teamId: string, period: UsagePeriod, groupBy?: "sandbox" | "template"): Promise<Omit<TeamUsage, "limits">> {
    const [byDay, sandboxes, templates] = await Promise.all([
      this.#byDay(teamId, period),
      groupBy === "sandbox" ? this.#bySandbox(teamId, period) : undefined,
      groupBy === "template" ? this.#byTemplate(teamId, period) : undefined,
    ]);
    const total = [...byDay.values()].reduce(added, NOTHING);
    return {
      ...period,
      total: amountsOf(total),
      days: daysOf(period).map((day) => ({ day, ...amountsOf(byDay.get(day) ?? NOTHING) })),
      ...(sandboxes && { sandboxes }),
      ...(templates && { templates }),
    };
  }

  async #byDay(teamId: string, { from, to }: UsagePeriod): Promise<Map<string, UsageColumns>> {
    const { rows } = await sql<UsageColumns & { day: string }>`
      select day::text as day, cpu_us, memory_mb_ms, disk_mb_ms, egress_bytes from daily_usage
      where team_id = ${teamId} and day between ${from}::date and ${to}::date
    `.execute(this.#db);
    return new Map(rows.map(({ day, ...used }) => [day, used]));
  }

  async #bySandbox(teamId: string, period: UsagePeriod): Promise<NonNullable<TeamUsage["sandboxes"]>> {
    const rows = await this.#grouped<{ sandbox_id: string; name: string | null; template: string }>(
      teamId,
      period,
      sql`sandboxes.id as sandbox_id, sandboxes.name, sandboxes.spec ->> 'template' as template`,
      sql`sandboxes.id`,
    );
    return rows.map(({ sandbox_id, name, template, ...used }) => ({
      sandbox_id,
      ...(name !== null && { name }),
      template,
      ...amountsOf(used),
    }));
  }

  async #byTemplate(teamId: string, period: UsagePeriod): Promise<NonNullable<TeamUsage["templates"]>> {
    const template = sql`sandboxes.spec ->> 'template'`;
    const rows = await this.#grouped<{ template: string }>(teamId, period, sql`${template} as template`, template);
    return rows.map(({ template: name, ...used }) => ({ template: name, ...amountsOf(used) }));
  }

  async #grouped<Row>(
    teamId: string,
    { from, to }: UsagePeriod,
    columns: RawBuilder<unknown>,
    key: RawBuilder<unknown>,
  ): Promise<(Row & UsageColumns)[]> {
    const { rows } = await sql<Row & UsageColumns>`
      select ${columns}, ${SUMS} from sandbox_usage
      join sandboxes on sandboxes.id = sandbox_usage.sandbox_id
      where sandbox_usage.team_id = ${teamId} and day between ${from}::date and ${to}::date
      group by ${key} order by sum(cpu_us) desc, ${key} limit ${LIMITS.usageGroups}
    `.execute(this.#db);
    return rows;
  }
}
