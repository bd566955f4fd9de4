import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { syncDirectory } from "@warren/server/durable-file";
import { syncFileSystem } from "@warren/server/file-system-sync";
import type { Logger } from "../logging.ts";
import type { EmbeddedOptions } from "./embedded.ts";
import { loadMigrations } from "./migrations.ts";
import { openMigratedPglite } from "./pglite.ts";

/** Counts up when the same schema is prepared in another way. */
const LAYOUT = 2;
/** Ends the names of directories that are not complete yet. */
const TEMPORARY = ".tmp";

/**
 * Makes a migrated, otherwise empty embedded database in `directory`, unless there is one. To make it from nothing takes
 * several seconds (initdb), so with a cache directory it is made once per version of the schema and of PGlite, and
 * copied. The directory appears in one piece: whatever ends the process leaves all of it or nothing. The caller holds
 * the lock of the data directory.
 */
export async function ensureDatabase(
  directory: string,
  { cacheDir, ephemeral }: EmbeddedOptions,
  log: Logger,
): Promise<void> {
  await removeLeftOvers(directory);
  if (await exists(join(directory, "PG_VERSION"))) return;
  await mkdir(dirname(directory), { recursive: true, mode: 0o700 });
  if (cacheDir === undefined) {
    await publish(directory, (temporary) => makeDatabase(temporary, log));
    return;
  }
  const prepared = await prepareDatabase(cacheDir, log);
  if (ephemeral) await copyDirectory(prepared, directory);
  else await publish(directory, (temporary) => copyDirectory(prepared, temporary));
}

/** Copies a directory that does not exist yet: hundreds of small files, for which Node takes five times as long. */
async function copyDirectory(from: string, to: string): Promise<void> {
  await promisify(execFile)("cp", [
    "--recursive",
    "--reflink=auto",
    "--sparse=always",
    "--no-target-directory",
    "--",
    from,
    to,
  ]);
}

/** Directory of the prepared database in a cache directory; made when it is not there. */
export async function prepareDatabase(cacheDir: string, log: Logger): Promise<string> {
  const prepared = join(cacheDir, "database", cacheKey());
  if (await exists(prepared)) return prepared;
  log.info({ directory: prepared }, "preparing the embedded database, once");
  await mkdir(dirname(prepared), { recursive: true, mode: 0o700 });
  await publish(prepared, (temporary) => makeDatabase(temporary, log));
  return prepared;
}

async function makeDatabase(directory: string, log: Logger): Promise<void> {
  const pglite = await openMigratedPglite(directory, log, { durable: true });
  // Two thirds of the files of a new cluster are databases that others are made from, and no other is ever made.
  await pglite.exec("update pg_database set datistemplate = false where datname <> current_database()");
  for (const name of ["template0", "template1"]) await pglite.exec(`drop database ${name}`);
  await pglite.close();
}

/** Removes what processes left that were ended while they made this database. */
async function removeLeftOvers(directory: string): Promise<void> {
  const names = await readdir(dirname(directory)).catch(() => []);
  for (const name of names) {
    if (name.startsWith(`${basename(directory)}.`) && name.endsWith(TEMPORARY)) {
      await rm(join(dirname(directory), name), { recursive: true, force: true });
    }
  }
}

/** Fills a temporary directory beside `directory` and renames it into place. Whoever comes second discards its own. */
async function publish(directory: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${directory}.${randomUUID()}${TEMPORARY}`;
  try {
    await fill(temporary);
    await syncFileSystem(temporary);
    await rename(temporary, directory);
    await syncDirectory(dirname(directory));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
  }
}

function cacheKey(): string {
  const version = pgliteVersion();
  const hash = createHash("sha256").update(`${version} ${LAYOUT}`);
  for (const migration of loadMigrations()) hash.update(`\n${migration.name} ${migration.checksum}`);
  return `${version}-${hash.digest("hex").slice(0, 16)}`;
}

/** Version of the PGlite package, whose exports hide its package.json. */
function pgliteVersion(): string {
  const entry = createRequire(import.meta.url).resolve("@electric-sql/pglite");
  return (JSON.parse(readFileSync(join(dirname(entry), "..", "package.json"), "utf8")) as { version: string }).version;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
