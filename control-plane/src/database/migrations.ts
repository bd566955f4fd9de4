import { hash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";

/** One forward step of the database schema. */
export interface Migration {
  /** Number before the first underscore of the file name; they count from 1 without a gap. */
  version: number;
  /** File name. */
  name: string;
  sql: string;
  /** SHA-256 of the text, in hex. */
  checksum: string;
}

/** One session of a database, which keeps transactions and session locks between calls. */
export interface MigrationSession {
  query(sql: string, parameters?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Runs a text of several statements. */
  script(sql: string): Promise<void>;
}

/** Key of the advisory lock under which migrations run: "warren" in ASCII. */
export const MIGRATION_LOCK = 0x77617272656en;

/** First major version of PostgreSQL that has all that the migrations use. */
const OLDEST_MAJOR = 15;

/** Makes the record of what ran. */
const RECORD = `create table if not exists schema_migrations (
  version integer primary key,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default now()
)`;

/** Reads the migrations that belong to this program, in order. */
export function loadMigrations(directory: string = join(import.meta.dirname, "migrations")): Migration[] {
  const names = readdirSync(directory)
    .filter((name) => name.endsWith(".sql"))
    .sort();
  return names.map((name, index) => {
    const version = Number(/^(\d{4})_/.exec(name)?.[1]);
    if (version !== index + 1) throw new Error(`migration ${name}: expected number ${index + 1}`);
    const sql = readFileSync(join(directory, name), "utf8").replaceAll("\r\n", "\n");
    return { version, name, sql, checksum: hash("sha256", sql) };
  });
}

/**
 * Brings a database to the last migration; returns the names of those that ran. Concurrent callers wait for each other
 * on an advisory lock. Each migration is one transaction with its own record. Throws `conflict`, having changed nothing,
 * when the database records a migration that this program does not know or knows with other content, or its server is
 * too old. After a failure the session is of no further use.
 */
export async function migrate(session: MigrationSession, migrations: Migration[]): Promise<string[]> {
  await requireRecentServer(session);
  await session.query("select pg_advisory_lock($1::bigint)", [MIGRATION_LOCK.toString()]);
  const unlock = () => session.query("select pg_advisory_unlock($1::bigint)", [MIGRATION_LOCK.toString()]);
  try {
    await session.script(RECORD);
    const applied = await session.query("select name, checksum from schema_migrations order by version");
    requireKnown(applied as unknown as AppliedMigration[], migrations, "the database");
    const pending = migrations.slice(applied.length);
    for (const migration of pending) await apply(session, migration);
    await unlock();
    return pending.map((migration) => migration.name);
  } catch (error) {
    // What failed first says why; the lock ends with the session at the latest.
    await unlock().catch(() => undefined);
    throw error;
  }
}

async function requireRecentServer(session: MigrationSession): Promise<void> {
  const [server] = await session.query(
    "select current_setting('server_version') as version, current_setting('server_version_num') as number",
  );
  if (Math.floor(Number(server?.number) / 10_000) >= OLDEST_MAJOR) return;
  throw new WarrenError(
    "conflict",
    `the server of the database is PostgreSQL ${String(server?.version)}, and Warren needs ${OLDEST_MAJOR} or newer; upgrade it, or use another server`,
  );
}

/** Runs migrations of a new database inside of a transaction of the caller, which holds the lock of migrations. */
export async function applyWithin(session: MigrationSession, migrations: readonly Migration[]): Promise<void> {
  await session.script(RECORD);
  for (const migration of migrations) await run(session, migration);
}

/** A migration as a database or a backup records it. */
export type AppliedMigration = Pick<Migration, "name" | "checksum">;

/** Throws `conflict` unless all that `where` records, in their order, are the first of these migrations. */
export function requireKnown(
  applied: readonly AppliedMigration[],
  migrations: readonly Migration[],
  where: "the database" | "the backup",
): void {
  for (const [index, { name, checksum }] of applied.entries()) {
    const known = migrations[index];
    if (known && known.checksum === checksum) continue;
    throw new WarrenError(
      "conflict",
      known
        ? `${where} ran another version of migration ${known.name} (recorded as ${name}); ` +
            "use the version of Warren that made it"
        : `${where} has migration ${name}, which this version of Warren does not know; use a newer version`,
    );
  }
}

async function apply(session: MigrationSession, migration: Migration): Promise<void> {
  await session.query("begin");
  try {
    await run(session, migration);
    await session.query("commit");
  } catch (error) {
    // Without its connection there is nothing to be rolled back.
    await session.query("rollback").catch(() => undefined);
    throw new Error(`migration ${migration.name} failed: ${(error as Error).message}`, { cause: error });
  }
}

async function run(session: MigrationSession, { sql, version, name, checksum }: Migration): Promise<void> {
  await session.script(sql);
  await session.query("insert into schema_migrations (version, name, checksum) values ($1, $2, $3)", [
    version,
    name,
    checksum,
  ]);
}
