import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, inject } from "vitest";
import { OWNER } from "../embedded/cluster.ts";
import { administer } from "./postgres-server.ts";

/** A migrated, otherwise empty database and a data directory of its own. */
export interface TestDatabase {
  /** Settings of a control plane on it. */
  config: { dataDir: string; cacheDir: string; ephemeral: boolean; databaseUrl: string };
  remove(): Promise<void>;
}

/** Gives a suite a database of its own, which the result returns inside hooks and tests. */
export function testDatabase(): () => TestDatabase {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database?.remove());
  return () => database;
}

/** Makes a database on the server that the run's global setup has started. */
export async function createDatabase(): Promise<TestDatabase> {
  const { serverUrl, template, cacheDir } = inject("databases");
  const dataDir = await mkdtemp(join(tmpdir(), "warren-control-plane-"));
  const name = `test_${randomBytes(8).toString("hex")}`;
  await administer(serverUrl, `create database ${name} template ${template} owner ${OWNER}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  url.searchParams.set("user", OWNER);
  return {
    config: { dataDir, cacheDir, ephemeral: false, databaseUrl: url.href },
    remove: async () => {
      await administer(serverUrl, `drop database ${name} with (force)`);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
