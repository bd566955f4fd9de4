import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createLogger } from "../logging.ts";
import { openMigratedPglite } from "./pglite.ts";
import { createDatabase, type TestDatabase } from "./testing/each-database.ts";

let fixture: TestDatabase;
beforeEach(async () => {
  fixture = await createDatabase("PGlite");
});
afterEach(async () => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  await fixture.remove();
});

it("has every committed transaction on the disk before it answers", async () => {
  const pglite = await openMigratedPglite(join(fixture.config.dataDir, "db"), createLogger("silent"), {
    durable: true,
  });
  try {
    await pglite.exec("create table durable_probe (n integer)");
    const fsync = vi.spyOn(fs, "fsyncSync");
    syncBuiltinESMExports();
    for (let n = 1; n <= 3; n++) {
      await pglite.query("insert into durable_probe values ($1)", [n]);
      expect(fsync.mock.calls.length).toBeGreaterThanOrEqual(n);
    }
    const before = fsync.mock.calls.length;
    await pglite.query("select * from durable_probe");
    expect(fsync.mock.calls.length).toBe(before);
  } finally {
    await pglite.close();
  }
});
