import { dirname } from "node:path";
import { PGliteDialect } from "kysely";
import type { Logger } from "../logging.ts";
import { DatabaseDisk } from "./database-disk.ts";
import { guardPglite } from "./guarded-pglite.ts";
import { openMigratedPglite } from "./pglite.ts";
import { ensureDatabase } from "./prepared.ts";

/** How an embedded database is kept. */
export interface EmbeddedOptions {
  /** Holds a database that is ready to be copied. */
  cacheDir?: string;
  /** It need not outlive this process: nothing waits for the disk. */
  ephemeral: boolean;
}

/** Opens the embedded database of a directory, which is made when it does not exist, and brings it up to date. */
export async function openEmbedded(directory: string, options: EmbeddedOptions, log: Logger): Promise<PGliteDialect> {
  if (options.ephemeral) {
    await ensureDatabase(directory, options, log);
    return new PGliteDialect({ pglite: await openMigratedPglite(directory, log, { durable: false }) });
  }
  const disk = new DatabaseDisk(dirname(directory), log);
  disk.requireSpace();
  await ensureDatabase(directory, options, log);
  const pglite = await openMigratedPglite(directory, log, { durable: true });
  return new PGliteDialect({ pglite: guardPglite(pglite, disk, (error) => endAfter(error, log)) });
}

/** Nothing that was committed is lost: the next start reads the log of the database. */
function endAfter(error: unknown, log: Logger): never {
  log.fatal(
    { err: error },
    "the embedded database has given up, and this server ends; start it again once its disk has space",
  );
  process.exit(1);
}
