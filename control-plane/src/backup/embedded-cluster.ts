import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { lockDataDirectory } from "@warren/server/data-directory-lock";
import type { FileLock } from "@warren/server/file-lock";
import type pg from "pg";
import { clusterMajor, DATABASE, OWNER } from "../database/embedded/cluster.ts";
import { requireOwnUserIds } from "../database/embedded/identity.ts";
import { prepareCluster } from "../database/embedded/prepared.ts";
import { copyDirectory } from "../database/embedded/publish.ts";
import { refuseOtherDatabases } from "../database/embedded/refusals.ts";
import { makeStage, type Reason, replaceCluster, settleReplacement } from "../database/embedded/replacement.ts";
import { PostgresServer } from "../database/embedded/server.ts";
import { ensureServerFiles, type ServerFiles } from "../database/embedded/server-files.ts";
import { withConnection } from "./connection.ts";
import { emptySchema } from "./load-backup.ts";
import type { Task } from "./task.ts";

/** Clients of a server that runs for a task. */
const MAX_CONNECTIONS = 5;

/** The directory of the embedded database of a data directory. */
export function databaseDirectory(dataDir: string): string {
  return join(dataDir, "database");
}

/** Works on the embedded database of a data directory, on its running server or, when none runs, on one of its own. */
export async function withEmbedded<T>(task: Task, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const { dataDir, cacheDir } = task.config;
  const directory = databaseDirectory(dataDir);
  const lock = await lockUnlessRunning(dataDir);
  if (!lock) return withConnection(PostgresServer.urlIn(directory, DATABASE, OWNER), use);
  try {
    await settleReplacement(directory, task.log);
    const cluster = join(directory, "cluster");
    if ((await clusterMajor(cluster)) === undefined) throw noDatabase(dataDir);
    const files = await ensureServerFiles(cacheDir);
    await refuseOtherDatabases(dataDir, cluster, files);
    return await withServer(task, { files, cluster, directory, durable: true }, use);
  } finally {
    lock.release();
  }
}

/** The lock of a data directory; undefined while a server has it. */
async function lockUnlessRunning(dataDir: string): Promise<FileLock | undefined> {
  const found = await stat(databaseDirectory(dataDir)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EACCES")
      throw new WarrenError("forbidden", `${dataDir} is for the server's user and root only; use sudo`);
    if (error.code !== "ENOENT") throw error;
  });
  if (!found) throw noDatabase(dataDir);
  try {
    return await lockDataDirectory(dataDir, "control plane");
  } catch (error) {
    if (error instanceof WarrenError && error.code === "conflict") return undefined;
    throw error;
  }
}

function noDatabase(dataDir: string): WarrenError {
  return new WarrenError(
    "not_found",
    `there is no database in ${dataDir}; name the server's data directory with --data-dir`,
  );
}

interface ClusterPlace {
  files: ServerFiles;
  cluster: string;
  /** Where socket and lock are made. */
  directory: string;
  durable: boolean;
}

/** Works on a cluster, on a server that runs for that time. */
export async function withServer<T>(
  { log }: Pick<Task, "log">,
  place: ClusterPlace,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  await requireOwnUserIds();
  const server = await PostgresServer.start({ ...place, inMemory: false, maxConnections: MAX_CONNECTIONS, log });
  try {
    return await withConnection(server.url(DATABASE, OWNER), use);
  } finally {
    await server.stop();
  }
}

/**
 * Makes a cluster with an empty database beside the present one, has it filled, and puts it in the place of the present one,
 * which is kept: returns where. When filling it fails, nothing has changed. The caller holds the lock of the data directory.
 */
export async function replaceWith<T>(
  task: Task,
  reason: Reason,
  fill: (client: pg.Client) => Promise<T>,
): Promise<{ filled: T; kept: string | undefined }> {
  const { config, log, progress, signal } = task;
  const directory = databaseDirectory(config.dataDir);
  const files = await ensureServerFiles(config.cacheDir);
  progress("preparing a new database");
  const prepared = await prepareCluster({ files, cacheDir: config.cacheDir, log });
  signal.throwIfAborted();
  try {
    const stage = await makeStage(directory);
    const cluster = join(stage, "cluster");
    await copyDirectory(prepared, cluster);
    // Nobody has it yet: it is put on the disk as a whole.
    const filled = await withServer(task, { files, cluster, directory: stage, durable: false }, async (client) => {
      await emptySchema(client);
      const result = await fill(client);
      await client.query("vacuum analyze");
      return result;
    });
    signal.throwIfAborted();
    progress("putting it in place");
    return { filled, kept: await replaceCluster(directory, reason, log) };
  } catch (error) {
    await settleReplacement(directory, log);
    throw error;
  }
}

/** Programs of the major version of a cluster: kept from an earlier Warren, or those of Debian's package. */
export async function findServerFiles(found: readonly ServerFiles[], major: number): Promise<ServerFiles> {
  const kept = found.filter((files) => files.major === major).at(-1);
  if (kept) return kept;
  const directory = join(DEBIAN, String(major));
  const programs: string[] = await readdir(join(directory, "bin")).catch(() => []);
  if (programs.includes("postgres")) return { directory, version: String(major), major };
  throw new WarrenError(
    "conflict",
    `the database was made by PostgreSQL ${major}, whose programs are needed to read it and are not here; install them ` +
      `(apt-get install postgresql-${major}, where Debian or apt.postgresql.org has it) and run this again`,
  );
}

/** Where Debian's packages put PostgreSQL, by major version. */
const DEBIAN = "/usr/lib/postgresql";
