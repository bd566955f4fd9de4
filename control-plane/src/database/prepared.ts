import { createHash, randomUUID } from "node:crypto";
import { cpSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Logger } from "../logging.ts";
import { loadMigrations } from "./migrations.ts";
import { openMigratedPglite } from "./pglite.ts";

/**
 * Makes `directory` a copy of a migrated, otherwise empty embedded database, unless it exists. Making one from nothing
 * takes several seconds (initdb), so it is made once per version of the schema and of PGlite and kept in `cacheDir`.
 */
export async function copyPreparedDatabase(cacheDir: string, directory: string, log: Logger): Promise<void> {
  if (await exists(directory)) return;
  const prepared = await prepareDatabase(cacheDir, log);
  await mkdir(dirname(directory), { recursive: true, mode: 0o700 });
  // The copy of a thousand small files takes a fifth of the time of the asynchronous one.
  await publish(directory, async (temporary) => cpSync(prepared, temporary, { recursive: true }));
}

/** Directory of the prepared database in a cache directory; made when it is not there. */
export async function prepareDatabase(cacheDir: string, log: Logger): Promise<string> {
  const prepared = join(cacheDir, "database", cacheKey());
  if (await exists(prepared)) return prepared;
  log.info({ directory: prepared }, "preparing the embedded database, once");
  await mkdir(dirname(prepared), { recursive: true, mode: 0o700 });
  await publish(prepared, async (temporary) => {
    const pglite = await openMigratedPglite(temporary, log);
    await pglite.close();
  });
  return prepared;
}

/** Fills a temporary directory beside `directory` and renames it into place. Whoever comes second discards its own. */
async function publish(directory: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${directory}.${randomUUID()}.tmp`;
  try {
    await fill(temporary);
    await rename(temporary, directory);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
  }
}

function cacheKey(): string {
  const version = pgliteVersion();
  const hash = createHash("sha256").update(version);
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
