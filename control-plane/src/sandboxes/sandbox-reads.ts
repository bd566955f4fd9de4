import { sql } from "kysely";
import { LRUCache } from "lru-cache";
import { BatchedReads } from "../database/batched-reads.ts";
import { LIVE } from "../database/live-sandboxes.ts";
import { preparedAs } from "../database/prepared-statements.ts";
import type { Db } from "../database/tables.ts";
import type { SandboxRow } from "./sandbox-store.ts";
import { SANDBOX_COLUMNS } from "./sandboxes-table.ts";

/** Bytes that all lists that are kept may take. */
const KEPT_LISTS_BYTES = 64 * 1024 * 1024;
/** Bytes that sandboxes may take which are kept since somebody asked for them alone. */
const KEPT_ROWS_BYTES = 16 * 1024 * 1024;
/** Bytes of a row without its metadata, and of its part of an answer. */
const ROW_BYTES = 2048;
/** Bytes of a character of metadata at most: two in a row, three in an answer. */
const CHARACTER_BYTES = 5;

/**
 * Tells apart servers that answer at one address one after the other, and a server that was started again: one that has lost
 * the last commits of the former gives their transaction ids to others.
 */
const SERVER = sql`pg_postmaster_start_time()::text`;

/** Changes with each write of a row (xmin: PostgreSQL manual, section 5.6). */
const ROW_VERSION = sql<string>`${SERVER} || ' ' || xmin::text`;

/** Changes with each row of a list that comes, goes or is written. */
const LIST_VERSION = sql<string>`${SERVER} || ' ' || string_agg(id || ':' || xmin::text, ',' order by id)`;

interface VersionedRow {
  version: string;
  row: SandboxRow;
}

interface VersionedList {
  version: string;
  rows: readonly SandboxRow[];
}

/**
 * Look-ups of sandboxes by clients, of which a busy team makes many at once: they share queries. Rows and lists that
 * callers share must not be changed.
 */
export class SandboxReads {
  readonly #db: Db;
  /** Sandboxes as they were read last, by id. */
  readonly #rows = new LRUCache<string, VersionedRow>({
    maxSize: KEPT_ROWS_BYTES,
    sizeCalculation: ({ row }) => bytesOf(row),
  });
  /** Lists as they were read last, by team. */
  readonly #lists = new LRUCache<string, VersionedList>({
    maxSize: KEPT_LISTS_BYTES,
    sizeCalculation: ({ rows }) => rows.reduce((bytes, row) => bytes + bytesOf(row), ROW_BYTES),
  });
  readonly #byId: BatchedReads<SandboxRow>;
  readonly #byTeam: BatchedReads<readonly SandboxRow[]>;

  constructor(db: Db) {
    this.#db = db;
    this.#byId = new BatchedReads((ids) => this.#readRows(ids));
    this.#byTeam = new BatchedReads((teamIds) => this.#readLists(teamIds));
  }

  async get(teamId: string, id: string): Promise<SandboxRow | undefined> {
    const row = await this.#byId.get(id);
    return row?.team_id === teamId ? row : undefined;
  }

  /** Sandboxes of a team that are not over, newest first. */
  async list(teamId: string): Promise<readonly SandboxRow[]> {
    return (await this.#byTeam.get(teamId)) ?? [];
  }

  /** Asks for the versions of the rows first, as for those of lists: a row takes several times as long to read. */
  async #readRows(ids: string[]): Promise<Map<string, SandboxRow>> {
    const versions = await this.#withIds(ids)
      .modifyFront(preparedAs("sandbox_versions_by_id"))
      .select(["id", ROW_VERSION.as("version")])
      .execute();
    const found = new Map<string, SandboxRow>();
    const changed: string[] = [];
    for (const { id, version } of versions) {
      const kept = this.#rows.get(id);
      if (kept?.version === version) found.set(id, kept.row);
      else changed.push(id);
    }
    if (changed.length === 0) return found;
    const rows = await this.#withIds(changed)
      .modifyFront(preparedAs("sandboxes_by_id"))
      .select([...SANDBOX_COLUMNS, ROW_VERSION.as("row_version")])
      .execute();
    for (const { row_version, ...row } of rows) {
      this.#rows.set(row.id, { version: row_version, row });
      found.set(row.id, row);
    }
    return found;
  }

  #withIds(ids: string[]) {
    return this.#db.selectFrom("sandboxes").where(sql<boolean>`id = any(${ids}::text[])`);
  }

  /** Asks for the versions of the lists first: most have not changed, and the rows of those are not sent again. */
  async #readLists(teamIds: string[]): Promise<Map<string, readonly SandboxRow[]>> {
    const versions = await this.#listsOf(teamIds)
      .modifyFront(preparedAs("sandbox_list_versions"))
      .select(["team_id", LIST_VERSION.as("version")])
      .groupBy("team_id")
      .execute();
    const changed = versions.filter(({ team_id, version }) => this.#lists.get(team_id)?.version !== version);
    const found = new Map(versions.map(({ team_id }) => [team_id, this.#lists.get(team_id)?.rows ?? []]));
    if (changed.length === 0) return found;
    const rows = await this.#listsOf(changed.map(({ team_id }) => team_id))
      .modifyFront(preparedAs("sandbox_lists"))
      .select(SANDBOX_COLUMNS)
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .execute();
    const rowsOf = Map.groupBy(rows, (row) => row.team_id);
    for (const { team_id, version } of changed) {
      const list = rowsOf.get(team_id) ?? [];
      this.#lists.set(team_id, { version, rows: list });
      found.set(team_id, list);
    }
    return found;
  }

  #listsOf(teamIds: string[]) {
    return this.#db.selectFrom("sandboxes").where(sql<boolean>`team_id = any(${teamIds}::uuid[])`).where(LIVE);
  }
}

/** Bytes that a kept row takes with its answer, about: nearly all that a user can make large is metadata. */
function bytesOf({ metadata }: SandboxRow): number {
  let characters = 0;
  for (const key in metadata) characters += key.length + metadata[key]!.length;
  return ROW_BYTES + CHARACTER_BYTES * characters;
}
