import { existsSync } from "node:fs";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { lockDataDirectory } from "@warren/server/data-directory-lock";
import { clusterMajor } from "../database/embedded/cluster.ts";
import { settleReplacement } from "../database/embedded/replacement.ts";
import { listServerFiles, packagedMajor } from "../database/embedded/server-files.ts";
import { loadMigrations } from "../database/migrations.ts";
import { databaseDirectory, findServerFiles, replaceWith, withServer } from "./embedded-cluster.ts";
import { loadBackup } from "./load-backup.ts";
import { requireSpace, sizeOfTables } from "./space.ts";
import { endingWith, type Task, tableProgress } from "./task.ts";
import { writeBackup } from "./write-backup.ts";

/** What an upgrade came to. */
export interface Upgraded {
  /** Major version of PostgreSQL that the database was of; null = there is none yet. */
  from: number | null;
  to: number;
  rows: number;
  /** Where the database before it is kept; null = nothing was to be done. */
  kept: string | null;
}

/**
 * Brings the embedded database to the packaged version of PostgreSQL: its rows go, as a backup of it, from a server of the
 * old version into a new cluster, which then takes the place of the old one. No other server may run.
 */
export async function upgradeDatabase(task: Task): Promise<Upgraded> {
  const { databaseUrl, dataDir, cacheDir } = task.config;
  if (databaseUrl !== undefined) {
    throw new WarrenError(
      "invalid_request",
      "DATABASE_URL names a PostgreSQL server of your own: upgrade it with its own tools, or restore a backup into a newer one",
    );
  }
  const to = packagedMajor();
  if (!existsSync(dataDir)) return { from: null, to, rows: 0, kept: null };
  const lock = await lockDataDirectory(dataDir, "control plane");
  try {
    const directory = databaseDirectory(dataDir);
    await settleReplacement(directory, task.log);
    const cluster = join(directory, "cluster");
    const from = await clusterMajor(cluster);
    if (from === undefined || from === to) return { from: from ?? null, to, rows: 0, kept: null };
    if (from > to) {
      throw new WarrenError(
        "conflict",
        `the database was made by PostgreSQL ${from}, and this version of Warren has ${to}; use the newer version that made it`,
      );
    }
    const files = await findServerFiles(await listServerFiles(cacheDir), from);
    await requireSpace(directory, await sizeOfTables(cluster), "the upgrade");
    const migrations = loadMigrations();
    const onTable = tableProgress(task, `upgrading to PostgreSQL ${to}`);
    const { filled, kept } = await replaceWith(task, "upgrade", (client) =>
      withServer(task, { files, cluster, directory, durable: true }, (old) => {
        const archive = endingWith(writeBackup(old, { version: task.version, migrations }), task.signal);
        return loadBackup(client, archive, { migrations, onTable });
      }),
    );
    const rows = filled.totals.tables.reduce((sum, table) => sum + table.rows, 0);
    return { from, to, rows, kept: kept ?? null };
  } finally {
    lock.release();
  }
}
