import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { claimDataDirectory } from "@warren/server/data-directory-lock";
import type pg from "pg";
import { settleReplacement } from "../database/embedded/replacement.ts";
import { loadMigrations, requireKnown } from "../database/migrations.ts";
import { SecretKeys } from "../secrets/secret-keys.ts";
import { BackupFile } from "./backup-file.ts";
import { withConnection } from "./connection.ts";
import { databaseDirectory, replaceWith } from "./embedded-cluster.ts";
import type { Manifest, Totals } from "./format.ts";
import { loadBackup, requireEmpty } from "./load-backup.ts";
import { readBackup } from "./read-backup.ts";
import { requireSpace } from "./space.ts";
import { endingWith, type Task, tableProgress } from "./task.ts";

/** What a restore came to. */
export interface Restored {
  /** When the backup was made, and by which version. */
  created_at: string;
  warren: string;
  rows: number;
  /** Where the database before it is kept; null = there was none, or it is one's own server. */
  kept: string | null;
  /** File in which a key that sealed secrets of the database is missing; null = none is. */
  secret_key_missing_in: string | null;
}

/** Brings the database to what a backup holds. The whole file is checked before anything is changed; no server may run. */
export async function restore(task: Task, path: string): Promise<Restored> {
  const { config, signal } = task;
  const file = await BackupFile.open(path);
  try {
    const lock = await claimDataDirectory(config.dataDir, "control plane");
    try {
      const { manifest, totals } = await check(file, task);
      const load = async (client: pg.Client) => {
        await loadBackup(client, endingWith(file.archive(), signal), {
          migrations: loadMigrations(),
          onTable: tableProgress(task, "restoring the database"),
        });
        return { secret_key_missing_in: await fileWithoutKey(client, config) };
      };
      const place =
        config.databaseUrl === undefined
          ? await restoreEmbedded(task, totals, load)
          : await restoreOwn(config.databaseUrl, load);
      const rows = totals.tables.reduce((sum, table) => sum + table.rows, 0);
      return { created_at: manifest.created_at, warren: manifest.warren, rows, ...place };
    } finally {
      lock.release();
    }
  } finally {
    await file.close();
  }
}

/** How many times the bytes of its rows a table takes with its indexes. */
const TABLE_FACTOR = 4;

type Loaded = Pick<Restored, "secret_key_missing_in">;
type Placed = Pick<Restored, "kept" | "secret_key_missing_in">;

async function restoreOwn(url: string, load: (client: pg.Client) => Promise<Loaded>): Promise<Placed> {
  return { kept: null, ...(await withConnection(url, load)) };
}

async function restoreEmbedded(
  task: Task,
  totals: Totals,
  load: (client: pg.Client) => Promise<Loaded>,
): Promise<Placed> {
  const directory = databaseDirectory(task.config.dataDir);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await settleReplacement(directory, task.log);
  // A backup may unpack to more than there is room for, and the disk is that of the sandboxes.
  const rows = totals.tables.reduce((sum, { bytes }) => sum + bytes, 0);
  await requireSpace(directory, TABLE_FACTOR * rows, "the backup");
  const { filled, kept } = await replaceWith(task, "restore", load);
  return { kept: kept ?? null, ...filled };
}

/** Reads a whole backup and throws unless it can be restored by this version. */
async function check(file: BackupFile, task: Task): Promise<{ manifest: Manifest; totals: Totals }> {
  const { databaseUrl } = task.config;
  if (databaseUrl !== undefined) await withConnection(databaseUrl, requireEmpty);
  let manifest: Manifest | undefined;
  let totals: Totals | undefined;
  for await (const item of readBackup(endingWith(file.archive(), task.signal))) {
    if (item.kind === "manifest") {
      manifest = item.manifest;
      requireKnown(manifest.migrations, loadMigrations(), "the backup");
    } else if (item.kind === "table") task.progress("checking the backup", item.table.name);
    else totals = item.totals;
  }
  return { manifest: manifest!, totals: totals! };
}

/** The file in which the key that seals secrets of the database is missing, without which no server starts on it. */
async function fileWithoutKey(client: pg.Client, config: Task["config"]): Promise<string | null> {
  const { rows } = await client.query<{ id: string }>("select id from secret_keys");
  const file = config.secretKeyFile ?? join(config.dataDir, "secret.key");
  const keys = config.secretKeys ?? (await SecretKeys.read(file));
  return rows.every(({ id }) => keys?.has(id)) ? null : file;
}
