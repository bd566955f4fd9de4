import { LIMITS } from "@warren/contracts/limits";
import { SANDBOX_STATUSES, type SandboxFilters, type SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { sql } from "kysely";
import { FINAL } from "../database/live-sandboxes.ts";
import type { Db } from "../database/tables.ts";
import { textOfMicros } from "../date-time.ts";
import { fromCursor, toCursor } from "./sandbox-cursor.ts";
import type { SandboxRow } from "./sandbox-store.ts";
import { SANDBOX_COLUMNS } from "./sandboxes-table.ts";

/** Which page of a list is wanted: the first without a cursor. */
export interface PlaceInList {
  /** Most rows of it. */
  limit: number;
  cursor?: string;
}

export interface Page {
  rows: SandboxRow[];
  /** Cursor of the page after this one; absent when nothing follows. */
  next?: string;
}

/** Sandboxes of a team that are looked for by what they are, newest first. */
export class SandboxLists {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Those for which all filters hold; of those that are over, the newest up to a limit. */
  async find(teamId: string, filters: SandboxFilters): Promise<SandboxRow[]> {
    const statuses = statusesOf(filters);
    const over = statuses.filter((status) => FINAL.includes(status));
    const live = statuses.filter((status) => !FINAL.includes(status));
    const lists = await Promise.all([
      live.length > 0 ? this.#select(teamId, live, filters).execute() : [],
      over.length > 0 ? this.#select(teamId, over, filters).limit(LIMITS.endedSandboxes).execute() : [],
    ]);
    return lists.every((rows) => rows.length > 0) ? lists.flat().sort(newestFirst) : lists.flat();
  }

  /** A page of those for which all filters hold. */
  async page(teamId: string, filters: SandboxFilters, { limit, cursor }: PlaceInList): Promise<Page> {
    let query = this.#select(teamId, statusesOf(filters), filters)
      .select(sql<number>`(extract(epoch from created_at) * 1000000)::bigint`.as("micros"))
      .limit(limit + 1);
    if (cursor !== undefined) {
      const { micros, id } = fromCursor(cursor);
      query = query.where(sql<boolean>`(created_at, id) < (${textOfMicros(micros)}::timestamptz, ${id})`);
    }
    const found = await query.execute();
    const last = found.length > limit ? found[limit - 1] : undefined;
    const rows = found.slice(0, limit).map(({ micros: _, ...row }) => row);
    return { rows, ...(last && { next: toCursor(last) }) };
  }

  #select(teamId: string, statuses: readonly SandboxStatus[], { template, name, metadata = [], q }: SandboxFilters) {
    let query = this.#db
      .selectFrom("sandboxes")
      .select(SANDBOX_COLUMNS)
      .where("team_id", "=", teamId)
      .where(sql<boolean>`status = any(${statuses}::text[])`)
      .orderBy("created_at", "desc")
      .orderBy("id", "desc");
    if (template !== undefined) query = query.where(sql<boolean>`spec ->> 'template' = ${template}`);
    if (name !== undefined) query = query.where("name", "=", name);
    if (q !== undefined) {
      const wanted = q.toLowerCase();
      query = query.where(sql<boolean>`(strpos(id, ${wanted}) > 0 or strpos(lower(name), ${wanted}) > 0)`);
    }
    for (const entry of metadata) {
      const equals = entry.indexOf("=");
      query = query.where(sql<boolean>`metadata ->> ${entry.slice(0, equals)} = ${entry.slice(equals + 1)}`);
    }
    return query;
  }
}

/** The states that a list shows. */
function statusesOf({ status, ended = false }: SandboxFilters): SandboxStatus[] {
  const named = status && new Set(status.flatMap((text) => text.split(",")));
  return SANDBOX_STATUSES.filter((each) =>
    named ? named.has(each) && (!ended || FINAL.includes(each)) : FINAL.includes(each) === ended,
  );
}

function newestFirst(a: SandboxRow, b: SandboxRow): number {
  return b.created_at.getTime() - a.created_at.getTime() || (a.id < b.id ? 1 : -1);
}
