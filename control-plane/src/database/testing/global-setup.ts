import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { createLogger } from "../../logging.ts";
import { prepareDatabase } from "../prepared.ts";
import { PostgresServer } from "./postgres-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** What every test file of the run shares. */
    databases: {
      /** Connection string of the server's own database `postgres`. */
      postgresUrl: string;
      /** Directory with a prepared embedded database. */
      cacheDir: string;
    };
  }
}

/** Starts one PostgreSQL server and prepares one embedded database for the whole run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), "warren-databases-"));
  // PostgreSQL's user must be able to reach the server's directory in it.
  await chmod(directory, 0o711);
  const cacheDir = process.env.WARREN_CACHE_DIR ?? join(directory, "cache");
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const [server] = await Promise.all([
      PostgresServer.start(join(directory, "postgresql")),
      prepareDatabase(cacheDir, createLogger("silent")),
    ]);
    project.provide("databases", { postgresUrl: server.url("postgres"), cacheDir });
    return async () => {
      await server.close();
      await remove();
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
