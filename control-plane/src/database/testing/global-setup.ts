import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { createLogger } from "../../logging.ts";
import { DATABASE } from "../embedded/cluster.ts";
import { prepareCluster } from "../embedded/prepared.ts";
import { PostgresServer } from "../embedded/server.ts";
import { ensureServerFiles } from "../embedded/server-files.ts";
import { administer } from "./postgres-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** What every test file of the run shares. */
    databases: {
      /** Connection string of a database from which others are administered. */
      serverUrl: string;
      /** Name of the migrated database that others are copies of; nobody connects to it. */
      template: string;
      /** Directory with the programs of PostgreSQL and a prepared cluster. */
      cacheDir: string;
    };
  }
}

/** Clients of all test files that run at the same time. */
const MAX_CONNECTIONS = 200;

/** Starts one embedded PostgreSQL server for the whole run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), "warren-databases-"));
  const cacheDir = process.env.WARREN_CACHE_DIR ?? join(directory, "cache");
  const remove = () => rm(directory, { recursive: true, force: true });
  const log = createLogger("silent");
  try {
    const files = await ensureServerFiles(cacheDir);
    const cluster = await prepareCluster({ files, cacheDir, log });
    const home = join(directory, "database");
    await mkdir(home);
    const durability = { durable: false, maxConnections: MAX_CONNECTIONS };
    const server = await PostgresServer.start({ files, cluster, directory: home, inMemory: true, ...durability, log });
    await administer(server.url(DATABASE), `create database administration template ${DATABASE}`);
    project.provide("databases", { serverUrl: server.url("administration"), template: DATABASE, cacheDir });
    return async () => {
      await server.stop({ immediate: true });
      await remove();
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
