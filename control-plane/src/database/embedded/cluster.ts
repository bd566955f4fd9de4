import { execFile } from "node:child_process";
import { chown, mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { WarrenError } from "@warren/contracts/errors";
import { failedView } from "./failed-view.ts";
import type { ServerFiles } from "./server-files.ts";
import { commandFor } from "./view.ts";

/** Role that may do everything in a cluster, for making and reading it. */
export const SUPERUSER = "postgres";

/** Warren's database, and the role that owns it. */
export const DATABASE = "warren";
export const OWNER = "warren";

/** MiB of one file of the write-ahead log: small, for the disk must always have room for the next one. */
const WAL_SEGMENT_MB = 4;

/** Makes an empty cluster in `directory`, which must not exist. Nothing waits for the disk. */
export async function makeCluster(files: ServerFiles, directory: string, userId: number | undefined): Promise<void> {
  await mkdir(directory, { mode: 0o700 });
  if (userId !== undefined) await chown(directory, userId, userId);
  const options = [
    ...["--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8", "--data-checksums", "--no-sync"],
    ...["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"],
    ...["--wal-segsize", String(WAL_SEGMENT_MB), "--no-instructions"],
  ];
  const [program, ...parameters] = commandFor(
    "initdb",
    ({ cluster }) => ["--pgdata", cluster, ...options],
    { files: files.directory, cluster: directory },
    userId,
  );
  try {
    await promisify(execFile)(program, parameters, { env: ENVIRONMENT });
  } catch (error) {
    const { stderr = "", code } = error as { stderr?: string; code?: unknown };
    throw failedView(code, stderr) ?? error;
  }
}

/** Environment of the programs of PostgreSQL. */
export const ENVIRONMENT = { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", TZ: "UTC" };

/** Major version of PostgreSQL that a cluster is of; undefined when there is none. */
export async function clusterMajor(directory: string): Promise<number | undefined> {
  try {
    return Number.parseInt(await readFile(join(directory, "PG_VERSION"), "utf8"), 10);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Gives a cluster to the user of its server, as which it may not have been put there: from a backup, or before Warren ran as root. */
export async function ownCluster(directory: string, userId: number | undefined): Promise<void> {
  const { uid } = await stat(directory);
  if (uid === (userId ?? process.getuid!())) return;
  if (userId === undefined) {
    throw new WarrenError(
      "database_unavailable",
      `the database ${directory} belongs to another user (id ${uid}); start Warren as root, or give it to this user (chown -R)`,
    );
  }
  await promisify(execFile)("chown", ["--recursive", "--no-dereference", `${userId}:${userId}`, "--", directory]);
}
