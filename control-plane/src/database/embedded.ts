import { PGliteDialect } from "kysely";
import type { Logger } from "../logging.ts";
import { openMigratedPglite } from "./pglite.ts";
import { ensureDatabase } from "./prepared.ts";

/** Opens the embedded database of a directory, which is made when it does not exist, and brings it up to date. */
export async function openEmbedded(
  directory: string,
  cacheDir: string | undefined,
  log: Logger,
): Promise<PGliteDialect> {
  await ensureDatabase(directory, cacheDir, log);
  const pglite = await openMigratedPglite(directory, log);
  return new PGliteDialect({ pglite });
}
