import { randomBytes } from "node:crypto";
import { type Selectable, sql } from "kysely";
import type { Db } from "../database/tables.ts";
import { type EventPlace, EventPosition, type Snapshot } from "./event-position.ts";
import type { EventsTable } from "./events-table.ts";

/** An event as it was written. */
export type LoggedEvent = EventPlace &
  Pick<Selectable<EventsTable>, "team_id" | "type" | "action" | "subject" | "status" | "reason" | "at">;

/** What a reader gets next. */
export interface EventPage {
  /** In the order of transactions, and of numbers within one. */
  events: LoggedEvent[];
  /** The position of a reader who has all of it. */
  end: EventPosition;
  /** Whether there are more that had been committed by then. */
  more: boolean;
  /** Some of what the reader lacked has been removed, or its position is of another log: it gets none of it. */
  reset: boolean;
}

/** Rows of `events` and `event_log`. */
export class EventLog {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** The position of a reader from now on. */
  async end(): Promise<EventPosition> {
    const name = randomBytes(4).toString("hex");
    await this.#db
      .insertInto("event_log")
      .values({ name })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const log = await this.#db
      .selectFrom("event_log")
      .select(["name", "removed", sql<string>`pg_current_snapshot()::text`.as("snapshot")])
      .executeTakeFirstOrThrow();
    return endOf(log);
  }

  /** The next events of some teams, or of all, at most `limit`. */
  async read(position: EventPosition, teamIds: string[] | "all", limit: number): Promise<EventPage> {
    const [[next, seen] = [0, 0], ...open] = position.lacking;
    const xids = open.map(([xid]) => xid);
    const numbers = open.map(([, number]) => number);
    const isWanted = teamIds === "all" ? sql`true` : sql`team_id = any(${teamIds}::uuid[])`;
    const columns = sql`event.xid, event.id, team_id, type, action, subject, status, reason, at`;
    const { rows } = await sql<LogRow & (EventRow | { xid: null })>`
      select log.name, log.removed, pg_current_snapshot()::text as snapshot, event.*
      from event_log as log
      left join lateral (
        (
          select ${columns} from unnest(${xids}::xid8[], ${numbers}::bigint[]) as late (xid, id)
          join events as event on event.xid = late.xid and event.id > late.id
          where ${isWanted}
          order by event.xid, event.id limit ${limit}
        )
        union all
        (
          select ${columns} from events as event
          where (event.xid, event.id) > (${next}::xid8, ${seen}::bigint) and ${isWanted}
          order by event.xid, event.id limit ${limit}
        )
        order by xid, id limit ${limit}
      ) as event on true
    `.execute(this.#db);
    const [first] = rows;
    // The row of the log is made when the control plane starts to follow it.
    if (!first) throw new Error("the database has no log of events");
    const end = endOf(first);
    if (hasLost(position, first, end)) return { events: [], end, more: false, reset: true };
    const events = rows.flatMap((row) => (row.xid === null ? [] : [{ ...row, xid: Number(row.xid) }]));
    return { events, end, more: events.length === limit, reset: false };
  }

  /**
   * Removes events that are older than `seconds`, and beyond `most` the oldest, up to `limit` of them; returns how many. Events
   * go in the order in which readers get them, and none before webhooks have been told of it.
   */
  async removeOld(seconds: number, most: number, limit: number): Promise<number> {
    const { rows } = await sql<{ count: number }>`
      with newest as (select id from events order by xid desc, id desc limit 1),
      oldest as (select xid, id, at from events order by xid, id limit ${limit}),
      gone as (
        delete from events as event using oldest, newest
        where event.xid = oldest.xid and event.id = oldest.id
          and (oldest.at < now() - ${seconds} * interval '1 second' or oldest.id <= newest.id - ${most})
          and not exists (select from webhook_cursor as cursor where cursor.oldest <= oldest.xid)
        returning event.xid
      ),
      noted as (
        update event_log set removed = greatest(removed, last.xid)
        from (select xid from gone order by xid desc limit 1) as last
      )
      select count(*) as count from gone
    `.execute(this.#db);
    return rows[0]?.count ?? 0;
  }
}

interface LogRow {
  name: string;
  removed: string;
  snapshot: string;
}

interface EventRow extends Omit<LoggedEvent, "xid"> {
  xid: string;
}

/** The position of a reader of all that a snapshot shows. Transactions as old as removed events do not count as open. */
function endOf({ name, removed, snapshot }: LogRow): EventPosition {
  const { next, open } = parseSnapshot(snapshot);
  return EventPosition.of(name, { next, open: open.filter((xid) => xid > Number(removed)) });
}

/** Reads PostgreSQL's `xmin:xmax:xip_list`. */
function parseSnapshot(text: string): Snapshot {
  const [, next, open = ""] = text.split(":");
  return { next: Number(next), open: open === "" ? [] : open.split(",").map(Number) };
}

function hasLost(position: EventPosition, { removed }: LogRow, end: EventPosition): boolean {
  if (position.log !== end.log || position.next > end.next) return true;
  return position.lacking.some(([xid]) => xid <= Number(removed));
}
