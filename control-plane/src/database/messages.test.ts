import { EventEmitter, once } from "node:events";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createLogger } from "../logging.ts";
import { type Database, openDatabase } from "./database.ts";
import { administer } from "./testing/postgres-server.ts";
import { createDatabase, type TestDatabase } from "./testing/test-database.ts";

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

/** Listens and notes what comes. */
async function listen(channel: string) {
  const heard: string[] = [];
  const events = new EventEmitter();
  const note = (what: string) => {
    heard.push(what);
    events.emit("heard");
  };
  const stop = await database.messages.listen(channel, { onMessage: note, onGap: () => note("(gap)") });
  /** Resolves with everything once there are so many. */
  const untilHeard = async (count: number) => {
    while (heard.length < count) await once(events, "heard");
    return heard;
  };
  return { heard, untilHeard, stop };
}

it("reaches all who listen on a channel, and nobody else", async () => {
  const [a, b, other] = [await listen("news"), await listen("news"), await listen("other")];
  await database.messages.publish("news", "one");
  await database.messages.publish("other", "two");
  await database.messages.publish("news", "it's \u00fcber");
  for (const listener of [a, b]) expect(await listener.untilHeard(2)).toEqual(["one", "it's \u00fcber"]);
  expect(await other.untilHeard(1)).toEqual(["two"]);
  await Promise.all([a.stop(), b.stop(), other.stop()]);
  await database.messages.publish("news", "nobody hears this");
  expect(a.heard).toHaveLength(2);
});

it("tells of a gap when the connection broke, and goes on", async () => {
  const listener = await listen("fragile");
  await administer(
    fixture.config.databaseUrl,
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'warren fragile' and datname = current_database()",
  );
  expect(await listener.untilHeard(1)).toEqual(["(gap)"]);
  await database.messages.publish("fragile", "after");
  expect(await listener.untilHeard(2)).toEqual(["(gap)", "after"]);
  await listener.stop();
});
