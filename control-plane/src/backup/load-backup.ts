import { pipeline } from "node:stream/promises";
import { WarrenError } from "@warren/contracts/errors";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { applyWithin, MIGRATION_LOCK, type Migration, requireKnown } from "../database/migrations.ts";
import { sessionOf } from "../database/postgres.ts";
import { damaged, type Manifest, type Totals } from "./format.ts";
import { type BackupItem, readBackup } from "./read-backup.ts";
import {
  copiedColumns,
  type ForeignKey,
  prepareSession,
  readForeignKeys,
  readRelations,
  readSequences,
  readTables,
} from "./schema.ts";

export interface LoadOptions {
  migrations: readonly Migration[];
  /** Told of each table before its rows are written. */
  onTable?: (table: string, index: number, count: number) => void;
}

/**
 * Fills an empty database from the archive of a backup, in one transaction, and completes its schema; returns what the
 * backup says of itself. Of the archive, values alone come into the database: the schema is that of this program's own
 * migrations. When this throws, the database is as empty as before.
 */
export async function loadBackup(
  client: pg.Client,
  archive: AsyncIterable<Buffer>,
  options: LoadOptions,
): Promise<{ manifest: Manifest; totals: Totals }> {
  await prepareSession(client);
  await client.query("begin");
  try {
    await client.query("select pg_advisory_xact_lock($1::bigint)", [MIGRATION_LOCK.toString()]);
    await requireEmpty(client);
    const loaded = await load(client, readBackup(archive), options);
    await client.query("commit");
    return loaded;
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}

/** Removes what is in the schema of a new database, such as what its template has. */
export async function emptySchema(client: pg.Client): Promise<void> {
  const { rows: tables } = await client.query<{ name: string }>(
    "select relname as name from pg_class where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p') and not relispartition",
  );
  for (const { name } of tables) await client.query(`drop table ${pg.escapeIdentifier(name)} cascade`);
  const { rows: functions } = await client.query<{ signature: string }>(
    "select oid::regprocedure::text as signature from pg_proc where pronamespace = current_schema()::regnamespace",
  );
  for (const { signature } of functions) await client.query(`drop routine ${signature} cascade`);
  for (const { name } of await readSequences(client)) await client.query(`drop sequence ${pg.escapeIdentifier(name)}`);
}

/** Throws `conflict` unless there is nothing in the schema that a session works in. */
export async function requireEmpty(client: pg.Client): Promise<void> {
  const names = await readRelations(client);
  if (names.length === 0) return;
  throw new WarrenError(
    "conflict",
    `the database is not empty (it has ${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}); a backup goes ` +
      "into an empty one only: make a new database, and name it in DATABASE_URL",
  );
}

async function load(
  client: pg.Client,
  items: AsyncIterable<BackupItem>,
  { migrations, onTable }: LoadOptions,
): Promise<{ manifest: Manifest; totals: Totals }> {
  let manifest: Manifest | undefined;
  let totals: Totals | undefined;
  let foreignKeys: ForeignKey[] = [];
  const written: number[] = [];
  for await (const item of items) {
    if (item.kind === "manifest") {
      manifest = item.manifest;
      foreignKeys = await makeSchema(client, manifest, migrations);
    } else if (item.kind === "table") {
      onTable?.(item.table.name, written.length, manifest!.tables.length);
      const rows = client.query(copyFrom(`copy ${copiedColumns(item.table)} from stdin`));
      await asBadRows(item.table.name, () => pipeline(item.rows, rows));
      written.push(rows.rowCount);
    } else totals = item.totals;
  }
  for (const [index, { name, rows }] of totals!.tables.entries()) {
    if (written[index] !== rows) throw damaged(`of the ${rows} rows of its table ${name}, ${written[index]} are rows`);
  }
  await setTriggers(client, "enable");
  await setSequences(client, totals!);
  for (const { table, name, definition } of foreignKeys) {
    const statement = `alter table ${pg.escapeIdentifier(table)} add constraint ${pg.escapeIdentifier(name)} ${definition}`;
    await asBadRows(table, () => client.query(statement));
  }
  const rest = migrations.slice(manifest!.migrations.length);
  await applyWithin(sessionOf(client), rest);
  return { manifest: manifest!, totals: totals! };
}

/**
 * Makes the tables that the backup was made from, empty, and checks that they are the backup's. Foreign keys are taken off
 * and returned, since they would ask for an order of the tables.
 */
async function makeSchema(
  client: pg.Client,
  manifest: Manifest,
  migrations: readonly Migration[],
): Promise<ForeignKey[]> {
  requireKnown(manifest.migrations, migrations, "the backup");
  await applyWithin(sessionOf(client), migrations.slice(0, manifest.migrations.length));
  const tables = await readTables(client);
  const inOrder = ({ name, columns }: { name: string; columns: string[] }) =>
    `${name} (${[...columns].sort().join(", ")})`;
  const expected = tables.map(inOrder).sort();
  const found = manifest.tables.map(inOrder).sort();
  const wrong = found.find((table) => !expected.includes(table)) ?? expected.find((table) => !found.includes(table));
  if (wrong !== undefined) throw damaged(`its tables are not those of its schema: ${wrong}`);
  const names = tables.map(({ name }) => pg.escapeIdentifier(name));
  // Migrations leave rows of their own.
  if (names.length > 0) await client.query(`truncate ${names.join(", ")}`);
  await setTriggers(client, "disable");
  const foreignKeys = await readForeignKeys(client);
  for (const { table, name } of foreignKeys) {
    await client.query(`alter table ${pg.escapeIdentifier(table)} drop constraint ${pg.escapeIdentifier(name)}`);
  }
  return foreignKeys;
}

/** The rows of a backup are no changes that triggers should tell of. */
async function setTriggers(client: pg.Client, action: "enable" | "disable"): Promise<void> {
  for (const { name } of await readTables(client)) {
    await client.query(`alter table ${pg.escapeIdentifier(name)} ${action} trigger user`);
  }
}

async function setSequences(client: pg.Client, totals: Totals): Promise<void> {
  const expected = (await readSequences(client)).map(({ name }) => name);
  const found = totals.sequences.map(({ name }) => name);
  if (expected.length !== found.length || !expected.every((name) => found.includes(name))) {
    throw damaged("its sequences are not those of its schema");
  }
  for (const { name, value, is_called } of totals.sequences) {
    await asBadRows(name, () =>
      client.query("select setval(quote_ident($1)::regclass, $2::bigint, $3)", [name, value, is_called]),
    );
  }
}

/** What the database refuses of a backup's values. */
async function asBadRows<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Classes of PostgreSQL's error codes: data exceptions, integrity constraint violations.
    if (error instanceof pg.DatabaseError && /^2[23]/.test(error.code ?? "")) {
      throw damaged(`the database refuses what it has of ${name}: ${error.message}`, error);
    }
    throw error;
  }
}
