import { LIMITED_AMOUNTS, type UsageLimits } from "@warren/contracts/rest/usage-limits";
import { type RawBuilder, sql } from "kysely";
import type { Db } from "../../database/tables.ts";
import { amountsOf } from "../usage-amounts.ts";
import { monthOf, type UsagePeriod } from "../usage-period.ts";
import type { UsageColumns } from "../usage-tables.ts";
import { LEVELS, type TeamUsageLimitsTable } from "./usage-limit-tables.ts";
import { type LimitSettings, standingOf, type TeamCrossing } from "./usage-standing.ts";

const COLUMNS = LIMITED_AMOUNTS.flatMap((amount) => LEVELS.map((level) => `${amount}_${level}` as const));
type Row = TeamUsageLimitsTable & UsageColumns;

/** What teams may use in a month, and how their use stands to it. `now`: milliseconds since the epoch; `db` may be a transaction. */
export class UsageLimitStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Limits of a team and its use in the month. */
  async get(teamId: string, now: number, db: Db = this.#db): Promise<UsageLimits> {
    const month = monthOf(now);
    const [row] = await this.#standings(sql`select ${teamId}::uuid as team_id`, month, db);
    return toStanding(month, row!);
  }

  /** The same; undefined when nothing is set for the team. */
  async find(teamId: string, now: number, db: Db = this.#db): Promise<UsageLimits | undefined> {
    const month = monthOf(now);
    const set = sql`select team_id from team_usage_limits where team_id = ${teamId}`;
    const [row] = await this.#standings(set, month, db);
    return row && toStanding(month, row);
  }

  /** Those of all live teams for which something is set, by the ids of the teams. */
  async list(now: number): Promise<Map<string, UsageLimits>> {
    const month = monthOf(now);
    const set = sql`
      select team_id from team_usage_limits join teams on teams.id = team_id where deleted_at is null`;
    const rows = await this.#standings(set, month, this.#db);
    return new Map(rows.map((row) => [row.team_id, toStanding(month, row)]));
  }

  /** What is set for a team. */
  async settings(teamId: string, db: Db): Promise<LimitSettings> {
    const row = await db
      .selectFrom("team_usage_limits")
      .select(COLUMNS)
      .where("team_id", "=", teamId)
      .executeTakeFirst();
    return row ?? (Object.fromEntries(COLUMNS.map((column) => [column, null])) as LimitSettings);
  }

  /** Sets all of it. */
  async set(teamId: string, settings: LimitSettings, db: Db): Promise<void> {
    if (COLUMNS.every((column) => settings[column] === null)) {
      await db.deleteFrom("team_usage_limits").where("team_id", "=", teamId).execute();
      return;
    }
    await db
      .insertInto("team_usage_limits")
      .values({ team_id: teamId, ...settings })
      .onConflict((conflict) => conflict.column("team_id").doUpdateSet(settings))
      .execute();
  }

  /** What of it was not noted in a month before. */
  async unnoted(month: UsagePeriod, reached: readonly TeamCrossing[]): Promise<TeamCrossing[]> {
    const { rows } = await sql<Notice>`
      select said.team_id, said.amount, said.level from ${said(reached)}
      where not exists (
        select from usage_notices as noted where noted.team_id = said.team_id and noted.month = ${month.from}::date
          and noted.amount = said.amount and noted.level = said.level and noted.threshold = said.threshold
      )
    `.execute(this.#db);
    return amongst(reached, rows);
  }

  /**
   * Notes what teams have reached in a month; returns what was not noted before, by whichever control plane. Teams that were
   * deleted meanwhile are left out.
   */
  async note(month: UsagePeriod, reached: readonly TeamCrossing[], transaction: Db): Promise<TeamCrossing[]> {
    const { rows } = await sql<Notice>`
      insert into usage_notices (team_id, month, amount, level, threshold)
      select said.team_id, ${month.from}::date, said.amount, said.level, said.threshold from ${said(reached)}
      join teams on teams.id = said.team_id and teams.deleted_at is null
      order by said.team_id, said.amount, said.level
      on conflict do nothing
      returning team_id, amount, level
    `.execute(transaction);
    return amongst(reached, rows);
  }

  /** `teams`: a query for the ids of teams. Sums that are null are those of teams that have used nothing. */
  async #standings(teams: RawBuilder<unknown>, { from, to }: UsagePeriod, db: Db): Promise<Row[]> {
    const { rows } = await sql<Row>`
      select of.team_id, ${sql.join(COLUMNS.map((column) => sql.ref(`limits.${column}`)))}, used.*
      from (${teams}) as of
      left join team_usage_limits as limits on limits.team_id = of.team_id
      cross join lateral (
        select coalesce(sum(cpu_us), 0)::float8 as cpu_us, coalesce(sum(memory_mb_ms), 0)::float8 as memory_mb_ms,
          coalesce(sum(egress_bytes), 0)::float8 as egress_bytes, 0::float8 as disk_mb_ms
        from daily_usage where daily_usage.team_id = of.team_id and day between ${from}::date and ${to}::date
      ) as used
    `.execute(db);
    return rows;
  }
}

/** What tells one of them from the others of a month. */
type Notice = Pick<TeamCrossing, "team_id" | "amount" | "level">;

/** The relation `said`, with a row for each. */
function said(reached: readonly TeamCrossing[]) {
  const column = <T>(of: (crossing: TeamCrossing) => T) => reached.map(of);
  return sql`unnest(
    ${column(({ team_id }) => team_id)}::uuid[], ${column(({ amount }) => amount)}::text[],
    ${column(({ level }) => level)}::text[], ${column(({ threshold }) => threshold)}::bigint[]
  ) as said (team_id, amount, level, threshold)`;
}

function amongst(reached: readonly TeamCrossing[], notices: readonly Notice[]): TeamCrossing[] {
  const nameOf = ({ team_id, amount, level }: Notice) => `${team_id} ${amount} ${level}`;
  const names = new Set(notices.map(nameOf));
  return reached.filter((crossing) => names.has(nameOf(crossing)));
}

function toStanding(month: UsagePeriod, row: Row): UsageLimits {
  return standingOf(month, amountsOf(row), row);
}
