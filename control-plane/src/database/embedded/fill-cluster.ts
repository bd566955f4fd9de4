import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import pg from "pg";
import type { Logger } from "../../logging.ts";
import { migrateClient } from "../postgres.ts";
import { DATABASE, makeCluster, OWNER } from "./cluster.ts";
import { takeServerUser } from "./identity.ts";
import { PostgresServer, type ServerOptions } from "./server.ts";
import type { ServerFiles } from "./server-files.ts";

/** Makes a cluster with a migrated, otherwise empty database. */
export async function fillCluster(cluster: string, files: ServerFiles, log: Logger): Promise<void> {
  const user = await takeServerUser();
  try {
    await makeCluster(files, cluster, user?.id);
  } finally {
    user?.lock.release();
  }
  // The path of a cache directory may be long, that of a socket may not.
  const directory = await makeShortDirectory();
  try {
    await fill({ files, cluster, directory, durable: false, maxConnections: 5, log });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function makeShortDirectory(): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), "warren-database-"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT") throw error;
    throw new WarrenError(
      "invalid_request",
      `no directory can be made in ${tmpdir()} (${code}), where temporary files go; mend that, or name another in TMPDIR`,
      { cause: error },
    );
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
