import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createLogger } from "../logging.ts";
import { TeamStore } from "../teams/team-store.ts";
import { type Database, openDatabase } from "./database.ts";
import type { Db } from "./tables.ts";
import { createDatabase, type TestDatabase } from "./testing/test-database.ts";
import { transact, whenCommitted } from "./transact.ts";

let fixture: TestDatabase;
let database: Database;
beforeAll(async () => {
  fixture = await createDatabase();
  database = await openDatabase(fixture.config, createLogger("silent"));
});
afterAll(async () => {
  await database?.close();
  await fixture?.remove();
});

/** Whether others see a team that is inserted through `db` when the task is done. */
async function seenByTask(db: Db, insert: (run: (db: Db) => Promise<unknown>) => Promise<unknown>) {
  const name = randomUUID();
  const seen: Promise<unknown>[] = [];
  await insert(async (through) => {
    await new TeamStore(through).insert(name);
    whenCommitted(through, () => {
      seen.push(db.selectFrom("teams").select("name").where("name", "=", name).executeTakeFirst());
    });
  });
  return Promise.all(seen);
}

it("what waits for the commit is done after it, and at once outside a transaction", async () => {
  const { db } = database;
  expect(await seenByTask(db, (run) => transact(db, run))).toEqual([{ name: expect.any(String) }]);
  expect(await seenByTask(db, (run) => run(db))).toEqual([{ name: expect.any(String) }]);
});

it("it is not done when the transaction fails, and refused in one that nobody would do it for", async () => {
  const { db } = database;
  const done: string[] = [];
  const failing = transact(db, async (transaction) => {
    whenCommitted(transaction, () => done.push("task"));
    throw new Error("rolled back");
  });
  await expect(failing).rejects.toThrow("rolled back");
  const strange = db.transaction().execute(async (transaction) => whenCommitted(transaction, () => done.push("task")));
  await expect(strange).rejects.toThrow("transact()");
  expect(done).toEqual([]);
});
