import { PGlite } from "@electric-sql/pglite";
import type { Logger } from "../logging.ts";
import { DURABLE_START_PARAMETERS, DurableNodeFs } from "./durable-node-fs.ts";
import { loadMigrations, type MigrationSession, migrate } from "./migrations.ts";

/** Opens and migrates a database directory. */
export async function openMigratedPglite(directory: string, log: Logger): Promise<PGlite> {
  const pglite = await PGlite.create({ fs: new DurableNodeFs(directory), startParams: DURABLE_START_PARAMETERS });
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
