import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLogger } from "../logging.ts";
import { PostgresLeadership } from "./leadership.ts";
import { FaultyLink } from "./testing/faulty-link.ts";
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

  /** Milliseconds in which somebody else leads, and what a machine under load may take more. */
  const TAKE_OVER = { timeout: 60_000, interval: 20 };

  it("passes on within ten seconds from one whose connection is cut but who lives, and who ends before", async () => {
    const events: string[] = [];
    const stop = new AbortController();
    const link = await FaultyLink.to(url);
    const a = new PostgresLeadership(link.url, log).lead("cut chores", task("a", events), stop.signal);
    await expect.poll(() => events, TAKE_OVER).toEqual(["a leads"]);
    const b = new PostgresLeadership(url, log).lead("cut chores", task("b", events), stop.signal);
    // Neither end is told that the way between them is cut.
    void link.fallSilent();
    await expect.poll(() => events, TAKE_OVER).toEqual(["a leads", "a ends", "b leads"]);
    link.recover();
    stop.abort();
    await Promise.all([a, b]);
    await link.close();
  }, 120_000);

  it("passes on within ten seconds from a process that hangs, which learns of it when it goes on", async () => {
    const events: string[] = [];
    const stop = new AbortController();
    const modules = ["./leadership.ts", "../logging.ts"].map(
      (file) => pathToFileURL(`${import.meta.dirname}/${file}`).href,
    );
    const program = `
      const { PostgresLeadership } = await import("${modules[0]}");
      const { createLogger } = await import("${modules[1]}");
      await new PostgresLeadership(${JSON.stringify(url)}, createLogger("silent")).lead("hung chores", async (signal) => {
        console.log("leads");
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        console.log("ends");
      }, new AbortController().signal);
    `;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    createInterface({ input: child.stdout }).on("line", (line) => events.push(`the other ${line}`));
    try {
      await expect.poll(() => events, TAKE_OVER).toEqual(["the other leads"]);
      const b = new PostgresLeadership(url, log).lead("hung chores", task("b", events), stop.signal);
      child.kill("SIGSTOP");
      await expect.poll(() => events, TAKE_OVER).toEqual(["the other leads", "b leads"]);
      child.kill("SIGCONT");
      await expect.poll(() => events, TAKE_OVER).toEqual(["the other leads", "b leads", "the other ends"]);
      stop.abort();
      await b;
    } finally {
      stop.abort();
      child.kill("SIGKILL");
      await ended;
    }
  }, 120_000);

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
