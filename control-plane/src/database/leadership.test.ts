import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLogger } from "../logging.ts";
import { PostgresLeadership } from "./leadership.ts";
import { administer } from "./testing/postgres-server.ts";
import { createDatabase, type TestDatabase } from "./testing/test-database.ts";

const log = createLogger("silent");

/** A task that leads until it is told to stop, and notes when it does. */
function task(name: string, events: string[]) {
  return async (signal: AbortSignal) => {
    events.push(`${name} leads`);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    events.push(`${name} ends`);
  };
}

describe("leadership on PostgreSQL", () => {
  let database: TestDatabase;
  let url: string;
  beforeAll(async () => {
    database = await createDatabase();
    url = database.config.databaseUrl!;
  });
  afterAll(() => database.remove());

  it("belongs to one process at a time and passes on when that one stops", async () => {
    const events: string[] = [];
    const [first, second] = [new AbortController(), new AbortController()];
    const a = new PostgresLeadership(url, log).lead("chores", task("a", events), first.signal);
    await expect.poll(() => events).toEqual(["a leads"]);
    const b = new PostgresLeadership(url, log).lead("chores", task("b", events), second.signal);
    const other = new AbortController();
    const c = new PostgresLeadership(url, log).lead("other chores", task("c", events), other.signal);
    await expect.poll(() => events).toEqual(["a leads", "c leads"]);
    first.abort();
    await a;
    await expect.poll(() => events).toEqual(["a leads", "c leads", "a ends", "b leads"]);
    second.abort();
    other.abort();
    await Promise.all([b, c]);
  });

  it("ends when the connection is lost, and is sought again", async () => {
    const events: string[] = [];
    const stop = new AbortController();
    const leading = new PostgresLeadership(url, log).lead("lost chores", task("a", events), stop.signal);
    await expect.poll(() => events).toEqual(["a leads"]);
    await administer(
      url,
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'warren %' and datname = current_database()",
    );
    await expect.poll(() => events, { timeout: 30_000 }).toEqual(["a leads", "a ends", "a leads"]);
    stop.abort();
    await leading;
  });

  it("is given up while it is waited for", async () => {
    const events: string[] = [];
    const [first, second] = [new AbortController(), new AbortController()];
    const a = new PostgresLeadership(url, log).lead("waited", task("a", events), first.signal);
    await expect.poll(() => events).toEqual(["a leads"]);
    const b = new PostgresLeadership(url, log).lead("waited", task("b", events), second.signal);
    second.abort();
    await b;
    first.abort();
    await a;
    expect(events).toEqual(["a leads", "a ends"]);
  });
});
