import { PGliteDialect } from "kysely";
import type { Logger } from "../logging.ts";
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
  await ensureDatabase(directory, options, log);
  const pglite = await openMigratedPglite(directory, log, { durable: !options.ephemeral });
  return new PGliteDialect({ pglite });
}
