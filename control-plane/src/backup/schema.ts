import pg from "pg";
import type { Migration } from "../database/migrations.ts";
import type { BackedUpTable } from "./format.ts";

/** One session of a database. */
export interface Session {
  // biome-ignore lint/suspicious/noExplicitAny: what a row has, the statement says.
  query(sql: string, parameters?: unknown[]): Promise<{ rows: any[] }>;
}

/** Names that the migrations give to tables and sequences: whatever else is in a database is not Warren's. */
export function namesOf(migrations: readonly Migration[]): ReadonlySet<string> {
  const names = new Set<string>();
  const pattern =
    /\bcreate\s+(?:unlogged\s+)?(?:table|sequence)\s+(?:if\s+not\s+exists\s+)?(\w+)|\brename\s+to\s+(\w+)/gi;
  for (const { sql } of migrations) {
    for (const [, created, renamed] of sql.matchAll(pattern)) names.add((created ?? renamed)!);
  }
  return names;
}

/**
 * Tables that are in no backup: events name transactions, which each database counts for itself. To whoever goes on after an
 * event of before the backup, the log says that events were lost.
 */
const LEFT_OUT = ["events", "event_log"];

/** Tables of the schema that a session works in, but for the record of its migrations; generated columns are left out. */
export async function readTables(session: Session): Promise<BackedUpTable[]> {
  const { rows } = await session.query(
    `select c.relname as name, array_agg(a.attname::text order by a.attnum) as columns
     from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
     where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
       and c.relname <> 'schema_migrations' and c.relname <> all($1)
     group by c.relname order by c.relname collate "C"`,
    [LEFT_OUT],
  );
  return rows;
}

/** Sequences of the schema that a session works in, with the table that owns each; those of tables left out are left out. */
export async function readSequences(session: Session): Promise<{ name: string; owner: string | null }[]> {
  const { rows } = await session.query(
    `select s.relname as name, t.relname as owner
     from pg_class s
     left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = s.oid and d.deptype in ('a', 'i')
       and d.refclassid = 'pg_class'::regclass
     left join pg_class t on t.oid = d.refobjid
     where s.relnamespace = current_schema()::regnamespace and s.relkind = 'S'
       and (t.relname is null or t.relname <> all($1))
     order by s.relname collate "C"`,
    [LEFT_OUT],
  );
  return rows;
}

/** Kinds of relations that are no part of another one. */
const RELATIONS = ["r", "p", "v", "m", "S", "f"];

/** Names of what is in the schema that a session works in. */
export async function readRelations(session: Session): Promise<string[]> {
  const { rows } = await session.query(
    `select relname as name from pg_class
     where relnamespace = current_schema()::regnamespace and relkind = any($1) order by relname`,
    [RELATIONS],
  );
  return rows.map(({ name }) => name);
}

/** A foreign key, with the statement's words that make it again. */
export interface ForeignKey {
  table: string;
  name: string;
  definition: string;
}

export async function readForeignKeys(session: Session): Promise<ForeignKey[]> {
  const { rows } = await session.query(
    `select c.relname as table, k.conname as name, pg_get_constraintdef(k.oid) as definition
     from pg_constraint k join pg_class c on c.oid = k.conrelid
     where k.contype = 'f' and k.conparentid = 0 and k.connamespace = current_schema()::regnamespace
     order by c.relname, k.conname`,
  );
  return rows;
}

/** `table (columns)` for COPY. */
export function copiedColumns(table: BackedUpTable): string {
  return `${pg.escapeIdentifier(table.name)} (${columnsOf(table)})`;
}

/** Names of the columns of a table, for a statement. */
export function columnsOf({ columns }: BackedUpTable): string {
  return columns.map((column) => pg.escapeIdentifier(column)).join(", ");
}

/** Limits that end a statement or a transaction which takes as long as it takes. */
const LIMITS = [
  "statement_timeout",
  "lock_timeout",
  "idle_in_transaction_session_timeout",
  "idle_session_timeout",
  "transaction_timeout",
];

/** Has a session write and read values as the same text and take its time, whatever the settings of server and role are. */
export async function prepareSession(session: Session): Promise<void> {
  await session.query(
    `set client_encoding = 'UTF8'; set datestyle = 'ISO'; set intervalstyle = 'postgres'; set timezone = 'UTC';
     set extra_float_digits = 3; set bytea_output = 'hex'`,
  );
  // Which of them there are depends on the server's version.
  await session.query("select set_config(name, '0', false) from pg_settings where name = any($1)", [LIMITS]);
}
