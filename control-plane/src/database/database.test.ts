import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLogger } from "../logging.ts";
import { type Database, openDatabase } from "./database.ts";
import { loadMigrations } from "./migrations.ts";
import { testDatabase } from "./testing/test-database.ts";

const log = createLogger("silent");

describe("database", () => {
  const fixture = testDatabase();
  let database: Database;
  beforeAll(async () => {
    database = await openDatabase(fixture().config, log);
  });
  afterAll(() => database.close());

  it("records every migration once", async () => {
    const rows = await sql<{ name: string }>`select name from schema_migrations order by version`.execute(database.db);
    expect(rows.rows.map((row) => row.name)).toEqual(loadMigrations().map((migration) => migration.name));
  });

  it("gives the same types on every database", async () => {
    const { rows } = await sql`select 5::bigint as big, count(*) as count, 'true'::boolean as yes,
      timestamptz '2026-01-02T03:04:05.678Z' as time, '{"a":[1]}'::jsonb as json from teams`.execute(database.db);
    expect(rows).toEqual([
      { big: 5, count: 0, yes: true, time: new Date("2026-01-02T03:04:05.678Z"), json: { a: [1] } },
    ]);
  });

  it("rolls a failed transaction back without touching statements outside it", async () => {
    const { db } = database;
    await sql`create table rollback_probe (n integer)`.execute(db);
    const failed = db.transaction().execute(async (transaction) => {
      await sql`insert into rollback_probe values (1)`.execute(transaction);
      throw new Error("changed my mind");
    });
    const outside = sql`insert into rollback_probe values (2)`.execute(db);
    await expect(failed).rejects.toThrow("changed my mind");
    await outside;
    expect((await sql`select n from rollback_probe`.execute(db)).rows).toEqual([{ n: 2 }]);
  });

  it("keeps what it holds when it is opened again", async () => {
    await sql`create table reopen_probe (n integer)`.execute(database.db);
    await sql`insert into reopen_probe values (7)`.execute(database.db);
    await database.close();
    database = await openDatabase(fixture().config, log);
    expect((await sql`select n from reopen_probe`.execute(database.db)).rows).toEqual([{ n: 7 }]);
  });
});
