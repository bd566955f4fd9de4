import { sql } from "kysely";
import type { TeamEvents } from "../audit/team-events.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";

/** Seconds between two rounds after which hosts count as not watched meanwhile. */
const GAP_SEC = 15;

/** Table `host_watch`. */
interface HostWatchTable {
  id: boolean;
  since: Date;
  last_round_at: Date;
}

declare module "../database/tables.ts" {
  interface Tables {
    host_watch: HostWatchTable;
  }
}

/** What is noted of all hosts together with each round of the monitor, by the clock of the database. */
export class HostWatch {
  readonly #db: Db;
  readonly #audit: TeamEvents;

  constructor(db: Db, audit: TeamEvents) {
    this.#db = db;
    this.#audit = audit;
  }

  /**
   * Notes that a round begins; returns for how many seconds there were rounds without a gap, whichever control planes they were
   * of. What gave no sign of life for longer than that may have given it to nobody.
   */
  async begin(): Promise<number> {
    const { rows } = await sql<{ seconds: number }>`
      insert into host_watch as watch (since, last_round_at) values (now(), now())
      on conflict (id) do update set last_round_at = now(),
        since = case when watch.last_round_at < now() - make_interval(secs => ${GAP_SEC}) then now() else watch.since end
      returning extract(epoch from now() - since)::float8 as seconds
    `.execute(this.#db);
    return rows[0]!.seconds;
  }

  /** Notes signs of life of hosts that are not lost. */
  async noteAnswers(hostIds: string[]): Promise<void> {
    if (hostIds.length === 0) return;
    await sql`
      update hosts set last_heartbeat_at = now() where id = any(${hostIds}::uuid[]) and status <> 'unreachable'
    `.execute(this.#db);
  }

  /** Takes hosts out of service that have given no sign of life for `seconds`; returns their ids. */
  async markSilent(seconds: number): Promise<string[]> {
    const silent = sql<boolean>`coalesce(last_heartbeat_at < now() - make_interval(secs => ${seconds}), true)`;
    const serving = ["online", "draining"] as const;
    const found = await this.#db
      .selectFrom("hosts")
      .select("id")
      .where("status", "in", serving)
      .where(silent)
      .execute();
    if (found.length === 0) return [];
    return transact(this.#db, async (transaction) => {
      const lost = await transaction
        .updateTable("hosts")
        .set({ status: "unreachable", updated_at: sql`now()` })
        .where(sql<boolean>`id = any(${found.map(({ id }) => id)}::uuid[])`)
        .where("status", "in", serving)
        .where(silent)
        .returning(["id", "team_id"])
        .execute();
      for (const { id, team_id } of lost) await this.#audit.hostMarkedDown(transaction, id, team_id);
      return lost.map(({ id }) => id);
    });
  }
}
