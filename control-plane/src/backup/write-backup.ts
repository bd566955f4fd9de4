import { createHash } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import { ARCHIVE_END, archiveMember } from "@warren/server/archive";
import pg from "pg";
import { to as copyTo } from "pg-copy-streams";
import { MIGRATION_LOCK, type Migration, requireKnown } from "../database/migrations.ts";
import {
  type BackedUpTable,
  FORMAT,
  MANIFEST,
  MAX_ROW_BYTES,
  type Manifest,
  PART_BYTES,
  partPath,
  TOTALS,
  type Totals,
} from "./format.ts";
import { columnsOf, namesOf, prepareSession, readSequences, readTables } from "./schema.ts";
import { TableTally } from "./tally.ts";

/** What a backup says of where it comes from, and who learns how far it is. */
export interface BackupOptions {
  /** Version of this Warren. */
  version: string;
  migrations: readonly Migration[];
  /** Told of each table before it is read. */
  onTable?: (table: string, index: number, count: number) => void;
  /** Told of tables in the database that are none of Warren's, and so not in the backup. */
  onLeftOut?: (tables: string[]) => void;
}

/**
 * Writes a backup of the database of a session as the bytes of its archive: what stood in it at one moment, while others go
 * on. Holds a few parts of a table at most. The session is of no further use when this ends before its end.
 */
export async function* writeBackup(client: pg.Client, options: BackupOptions): AsyncGenerator<Buffer> {
  await prepareSession(client);
  // Taken before the transaction's view of the database, so that no migration happens in between.
  await client.query("select pg_advisory_lock_shared($1::bigint)", [MIGRATION_LOCK.toString()]);
  await client.query("begin isolation level repeatable read, read only");
  const createdAt = new Date();
  const member = (path: string, content: Buffer) => archiveMember(path, content, createdAt);
  const manifest = await readManifest(client, options, createdAt);
  const manifestText = Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`);
  yield member(MANIFEST, manifestText);
  const tables: Totals["tables"] = [];
  for (const [index, table] of manifest.tables.entries()) {
    options.onTable?.(table.name, index, manifest.tables.length);
    tables.push(yield* writeTable(client, table, member));
  }
  const totals: Totals = {
    manifest_sha256: createHash("sha256").update(manifestText).digest("hex"),
    tables,
    // They are in no transaction, so they are read last: no value that a row has is given again.
    sequences: await readSequenceValues(client, manifest, options.migrations),
  };
  await client.query("commit");
  await client.query("select pg_advisory_unlock_shared($1::bigint)", [MIGRATION_LOCK.toString()]);
  yield member(TOTALS, Buffer.from(`${JSON.stringify(totals, undefined, 2)}\n`));
  yield ARCHIVE_END;
}

async function readManifest(client: pg.Client, options: BackupOptions, createdAt: Date): Promise<Manifest> {
  const { rows: version } = await client.query("show server_version_num");
  const applied = await readApplied(client);
  requireKnown(applied, options.migrations, "the database");
  const known = namesOf(options.migrations);
  const found = await readTables(client);
  const leftOut = found.filter(({ name }) => !known.has(name));
  if (leftOut.length > 0) options.onLeftOut?.(leftOut.map(({ name }) => name));
  return {
    format: FORMAT,
    warren: options.version,
    created_at: createdAt.toISOString(),
    server_major: Math.trunc(Number(version[0]!.server_version_num) / 10_000),
    migrations: applied,
    tables: found.filter(({ name }) => known.has(name)),
  };
}

async function readApplied(client: pg.Client): Promise<Manifest["migrations"]> {
  const { rows: found } = await client.query("select to_regclass('schema_migrations') is not null as migrated");
  const { rows } = found[0]!.migrated
    ? await client.query("select name, checksum from schema_migrations order by version")
    : { rows: [] };
  if (rows.length === 0) throw new WarrenError("conflict", "the database has nothing of Warren's to back up");
  return rows;
}

async function* writeTable(
  client: pg.Client,
  table: BackedUpTable,
  member: (path: string, content: Buffer) => Buffer,
): AsyncGenerator<Buffer, Totals["tables"][number]> {
  const tally = new TableTally(table.columns.length, MAX_ROW_BYTES);
  // Of a table with partitions, a COPY by name has no rows.
  const rows = client.query(
    copyTo(`copy (select ${columnsOf(table)} from ${pg.escapeIdentifier(table.name)}) to stdout`),
  );
  let part = 0;
  for await (const content of inParts(rows, PART_BYTES)) {
    const problem = tally.add(content);
    if (problem !== undefined)
      throw new WarrenError("internal_error", `the table ${table.name} cannot be backed up: ${problem}`);
    part += 1;
    yield member(partPath(table.name, part), content);
  }
  return { name: table.name, ...tally.end()! };
}

/** The same bytes in pieces of a size, of which the last may be smaller. */
async function* inParts(pieces: AsyncIterable<Buffer>, size: number): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (let piece of pieces) {
    while (heldBytes + piece.length >= size) {
      const rest = size - heldBytes;
      yield Buffer.concat([...held, piece.subarray(0, rest)]);
      piece = piece.subarray(rest);
      [held, heldBytes] = [[], 0];
    }
    if (piece.length > 0) held.push(piece);
    heldBytes += piece.length;
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}

async function readSequenceValues(
  client: pg.Client,
  manifest: Manifest,
  migrations: readonly Migration[],
): Promise<Totals["sequences"]> {
  const known = namesOf(migrations);
  const tables = new Set(manifest.tables.map(({ name }) => name));
  const values: Totals["sequences"] = [];
  for (const { name, owner } of await readSequences(client)) {
    if (!known.has(name) && !(owner !== null && tables.has(owner))) continue;
    const { rows } = await client.query(
      `select last_value::text as value, is_called from ${pg.escapeIdentifier(name)}`,
    );
    values.push({ name, value: rows[0]!.value, is_called: rows[0]!.is_called });
  }
  return values;
}
