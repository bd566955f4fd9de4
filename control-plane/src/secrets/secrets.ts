import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { sql } from "kysely";
import type { Db } from "../database/tables.ts";
import type { Logger } from "../logging.ts";
import { SEALED_COLUMNS, type SealedColumn } from "./sealed-columns.ts";
import { keyOfSealed, SecretKeys } from "./secret-keys.ts";

/** Key of the advisory lock under which the key of a database is settled: "seal" in ASCII. */
const SETTLING_LOCK = 0x7365616c;

/** Where the keys are that seal secrets. */
export interface SecretSettings {
  dataDir: string;
  /** The keys themselves; absent = those of the file. */
  secretKeys?: SecretKeys;
  /** File of the keys; absent = `secret.key` in the data directory. */
  secretKeyFile?: string;
  /** Give up what is sealed with keys that are not there. */
  secretKeyLost: boolean;
}

/** Seals what the database must not tell whoever reads it. The key is in a file or a setting. */
export class Secrets {
  readonly #keys: SecretKeys;

  private constructor(keys: SecretKeys) {
    this.#keys = keys;
  }

  /**
   * Finds the key of a database, which a database without any gets, and seals with it what is plain or sealed with a
   * former key. Throws `conflict`, having changed nothing, when the database has secrets of a key that is not there.
   */
  static async open(db: Db, config: SecretSettings, log: Logger): Promise<Secrets> {
    const file = config.secretKeyFile ?? join(config.dataDir, "secret.key");
    const found = config.secretKeys ?? (await SecretKeys.read(file));
    return db.transaction().execute(async (transaction) => {
      await sql`select pg_advisory_xact_lock(${SETTLING_LOCK}::bigint)`.execute(transaction);
      const missing = (await keysOf(transaction)).filter((name) => !found?.has(name));
      if (missing.length > 0 && !config.secretKeyLost) throw keyMissing(missing, config.secretKeys ? undefined : file);
      const keys = found ?? SecretKeys.generate();
      if (missing.length > 0) await forget(transaction, keys, log);
      for (const column of SEALED_COLUMNS) await sealAnew(transaction, column, keys, log);
      await transaction.deleteFrom("secret_keys").where("id", "<>", keys.current).execute();
      const insert = transaction.insertInto("secret_keys").values({ id: keys.current });
      await insert.onConflict((conflict) => conflict.doNothing()).execute();
      // Last, so that a start that fails leaves no key that is nobody's.
      if (!found) await keys.write(file);
      return new Secrets(keys);
    });
  }

  seal(column: SealedColumn, id: string, text: string): string {
    return this.#keys.seal(text, placeOf(column, id));
  }

  open(column: SealedColumn, id: string, sealed: string): string {
    return this.#keys.open(sealed, placeOf(column, id));
  }
}

interface SealedRow {
  id: string;
  text: string;
}

/** Names of all keys that something in a database is sealed with, and of the one that sealed last. */
async function keysOf(db: Db): Promise<string[]> {
  const names = new Set((await db.selectFrom("secret_keys").select("id").execute()).map(({ id }) => id));
  for (const column of SEALED_COLUMNS) {
    for (const { text } of await rowsOf(db, column)) {
      const name = keyOfSealed(text);
      if (name !== undefined) names.add(name);
    }
  }
  return [...names];
}

async function rowsOf(db: Db, { table, column, id }: SealedColumn): Promise<SealedRow[]> {
  const { rows } = await sql<SealedRow>`
    select ${sql.ref(id)}::text as id, ${sql.ref(column)} as text from ${sql.table(table)}
    where ${sql.ref(column)} is not null
  `.execute(db);
  return rows;
}

async function sealAnew(db: Db, place: SealedColumn, keys: SecretKeys, log: Logger): Promise<void> {
  const rows = (await rowsOf(db, place)).filter(({ text }) => keyOfSealed(text) !== keys.current);
  for (const { id, text } of rows) {
    const at = placeOf(place, id);
    const sealed = keys.seal(keyOfSealed(text) === undefined ? text : keys.open(text, at), at);
    await sql`
      update ${sql.table(place.table)} set ${sql.ref(place.column)} = ${sealed} where ${sql.ref(place.id)}::text = ${id}
    `.execute(db);
  }
  if (rows.length > 0) log.info({ table: place.table, rows: rows.length }, "sealed secrets with the current key");
}

/** Removes the rows whose secrets nobody can open any more. */
async function forget(db: Db, keys: SecretKeys, log: Logger): Promise<void> {
  for (const { table, column, id } of SEALED_COLUMNS) {
    const lost = (await rowsOf(db, { table, column, id })).filter(({ text }) => {
      const name = keyOfSealed(text);
      return name !== undefined && !keys.has(name);
    });
    for (const row of lost) {
      await sql`delete from ${sql.table(table)} where ${sql.ref(id)}::text = ${row.id}`.execute(db);
    }
    if (lost.length > 0) log.warn({ table, rows: lost.length }, "removed secrets whose key is lost");
  }
}

function placeOf({ table, column }: SealedColumn, id: string): string {
  return `${table}.${column} ${id}`;
}

function keyMissing(names: string[], file: string | undefined): WarrenError {
  const where = file === undefined ? "WARREN_SECRET_KEYS has another key" : `${file} is missing or has another key`;
  return new WarrenError(
    "conflict",
    `the secrets in the database are sealed with the key ${names.join(", ")}, and ${where}. Put back the key from a ` +
      "backup, or from another control plane on this database. If it is lost for good, start once with " +
      "WARREN_SECRET_KEY_LOST=1: the secrets are removed and everybody signs in anew (docs/accounts.md)",
  );
}
