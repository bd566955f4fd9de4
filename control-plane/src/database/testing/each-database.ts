import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, inject } from "vitest";
import type { Config } from "../../config.ts";
import { administer } from "./postgres-server.ts";

/** Both databases that Warren runs on. */
export const DATABASE_KINDS = ["PGlite", "PostgreSQL"] as const;
export type DatabaseKind = (typeof DATABASE_KINDS)[number];

/** An empty, not yet migrated database and a data directory of its own. */
export interface TestDatabase {
  config: Pick<Config, "databaseUrl" | "dataDir" | "cacheDir" | "ephemeral">;
  remove(): Promise<void>;
}

/** Describes a suite once per kind of database; each has a fresh database, which `database()` gives inside hooks and tests. */
export function eachDatabase(suite: (database: () => TestDatabase, kind: DatabaseKind) => void): void {
  describe.each(DATABASE_KINDS)("on %s", (kind) => {
    let database: TestDatabase;
    beforeAll(async () => {
      database = await createDatabase(kind);
    });
    afterAll(() => database?.remove());
    suite(() => database, kind);
  });
}

/** Makes a fresh database on what the run's global setup has started. */
export async function createDatabase(kind: DatabaseKind): Promise<TestDatabase> {
  const { postgresUrl, cacheDir } = inject("databases");
  const dataDir = await mkdtemp(join(tmpdir(), "warren-control-plane-"));
  const removeDirectory = () => rm(dataDir, { recursive: true, force: true });
  if (kind === "PGlite") return { config: { dataDir, cacheDir, ephemeral: true }, remove: removeDirectory };
  const name = `test_${randomBytes(8).toString("hex")}`;
  await administer(postgresUrl, `create database ${name}`);
  return {
    config: { dataDir, ephemeral: false, databaseUrl: postgresUrl.replace("///postgres?", `///${name}?`) },
    remove: async () => {
      await administer(postgresUrl, `drop database ${name} with (force)`);
      await removeDirectory();
    },
  };
}
