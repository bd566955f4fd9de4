import { PGlite, type PGliteOptions } from "@electric-sql/pglite";
import type { Logger } from "../logging.ts";
import { DURABLE_START_PARAMETERS, DurableNodeFs } from "./durable-node-fs.ts";
import { loadMigrations, type MigrationSession, migrate } from "./migrations.ts";
import { PrivateNodeFs } from "./private-node-fs.ts";

/** Opens and migrates a database directory. Unless it is `durable`, a loss of power may damage it. */
export async function openMigratedPglite(
  directory: string,
  log: Logger,
  { durable }: { durable: boolean },
): Promise<PGlite> {
  const options: PGliteOptions = durable
    ? { fs: new DurableNodeFs(directory), startParams: DURABLE_START_PARAMETERS }
    : { fs: new PrivateNodeFs(directory) };
  const pglite = await PGlite.create(options);
  const session: MigrationSession = {
    query: async (sql, parameters) => (await pglite.query<Record<string, unknown>>(sql, parameters)).rows,
    script: async (sql) => {
      await pglite.exec(sql);
    },
  };
  try {
    const names = await migrate(session, loadMigrations());
    if (names.length > 0) log.info({ migrations: names }, "database migrated");
  } catch (error) {
    await pglite.close();
    throw error;
  }
  return pglite;
}
