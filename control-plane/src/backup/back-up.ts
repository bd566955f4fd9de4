import type pg from "pg";
import { loadMigrations } from "../database/migrations.ts";
import { printBackup, requirePlace, saveBackup } from "./backup-file.ts";
import { withConnection } from "./connection.ts";
import { withEmbedded } from "./embedded-cluster.ts";
import { type Task, tableProgress } from "./task.ts";
import { writeBackup } from "./write-backup.ts";

/** What a backup came to. */
export interface BackedUp {
  /** Bytes of the file. */
  bytes: number;
  tables: number;
  /** Tables of the database that are none of Warren's, which are not in it. */
  left_out: string[];
}

/** The name that stands for standard output. */
const STANDARD_OUTPUT = "-";

/** Writes a backup of the database to a file, whether a server runs or not. */
export async function backUp(task: Task, path: string, { force }: { force: boolean }): Promise<BackedUp> {
  const printed = path === STANDARD_OUTPUT;
  if (!printed) await requirePlace(path, force);
  const { databaseUrl } = task.config;
  let tables = 0;
  const leftOut: string[] = [];
  const onTable = (table: string, index: number, count: number) => {
    tables = count;
    tableProgress(task, "backing up the database")(table, index, count);
  };
  const options = {
    version: task.version,
    migrations: loadMigrations(),
    onTable,
    onLeftOut: (names: string[]) => leftOut.push(...names),
  };
  task.progress("opening the database");
  const save = (client: pg.Client) => {
    const archive = writeBackup(client, options);
    return printed ? printBackup(archive, task) : saveBackup(path, archive, { force, signal: task.signal });
  };
  const bytes = await (databaseUrl === undefined ? withEmbedded(task, save) : withConnection(databaseUrl, save));
  return { bytes, tables, left_out: leftOut };
}
