import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import pg from "pg";
import type { Logger } from "../../logging.ts";
import { loadMigrations } from "../migrations.ts";
import { migrateClient } from "../postgres.ts";
import { makeCluster, SUPERUSER } from "./cluster.ts";
import { serverUserId } from "./identity.ts";
import { copyDirectory, exists, publish, removeUnpublished } from "./publish.ts";
import { PostgresServer, type ServerOptions } from "./server.ts";
import type { ServerFiles } from "./server-files.ts";

/** Counts up when the same schema is prepared in another way. */
const LAYOUT = 1;

/** The database of a prepared cluster, and the role that owns it. */
export const DATABASE = "warren";
export const OWNER = "warren";

/** Where a prepared cluster comes from and goes to. */
export interface Preparation {
  files: ServerFiles;
  cacheDir: string;
  log: Logger;
}

/**
 * Makes a migrated, otherwise empty cluster in `directory`, unless there is one. To make it from nothing takes seconds
 * (initdb), so it is made once per version of the schema and of PostgreSQL, and copied. The directory appears in one
 * piece: whatever ends the process leaves all of it or nothing. The caller holds the lock of the data directory.
 */
export async function ensureCluster(directory: string, preparation: Preparation): Promise<void> {
  await removeUnpublished(directory);
  if (await exists(join(directory, "PG_VERSION"))) return;
  const prepared = await prepareCluster(preparation);
  await publish(directory, (temporary) => copyDirectory(prepared, temporary));
}

/** Directory of the prepared cluster in a cache directory; made when it is not there. */
export async function prepareCluster({ files, cacheDir, log }: Preparation): Promise<string> {
  const prepared = join(cacheDir, "database", cacheKey(files));
  if (await exists(prepared)) return prepared;
  log.info({ directory: prepared }, "preparing the embedded database, once");
  await mkdir(dirname(prepared), { recursive: true, mode: 0o700 });
  await publish(prepared, (temporary) => fillCluster(temporary, files, log));
  return prepared;
}

async function fillCluster(cluster: string, files: ServerFiles, log: Logger): Promise<void> {
  await makeCluster(files, cluster, serverUserId());
  // The path of a cache directory may be long, that of a socket may not.
  const directory = await mkdtemp(join(tmpdir(), "warren-database-"));
  try {
    await fill({ files, cluster, directory, durable: false, maxConnections: 5, log });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function fill(options: ServerOptions): Promise<void> {
  const server = await PostgresServer.start(options);
  try {
    await administer(server.url("template1"), [
      `create role ${OWNER} login`,
      `alter database postgres rename to ${DATABASE}`,
      `alter database ${DATABASE} owner to ${OWNER}`,
    ]);
    await withClient(server.url(DATABASE, OWNER), (client) => migrateClient(client));
    await administer(server.url(DATABASE), [
      // Two thirds of the files of a new cluster are databases that others are made from, and no other is ever made.
      `update pg_database set datistemplate = false where datname <> '${DATABASE}'`,
      "drop database template0",
      "drop database template1",
      "vacuum analyze",
    ]);
  } finally {
    await server.stop();
  }
}

function administer(url: string, statements: string[]): Promise<void> {
  return withClient(url, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
}

async function withClient(url: string, use: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}

function cacheKey({ version, directory }: ServerFiles): string {
  const hash = createHash("sha256").update(`${basename(directory)} ${LAYOUT} ${SUPERUSER} ${serverUserId()}`);
  for (const migration of loadMigrations()) hash.update(`\n${migration.name} ${migration.checksum}`);
  return `${version}-${hash.digest("hex").slice(0, 16)}`;
}
