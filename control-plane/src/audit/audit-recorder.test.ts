import { randomUUID } from "node:crypto";
import { appendFile, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import { FaultyLink } from "../database/testing/faulty-link.ts";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { query } from "../testing/audit-events.ts";
import { LogLines } from "../testing/log-lines.ts";
import type { AuditEvent } from "./audit-event.ts";
import { AuditOutbox } from "./audit-outbox.ts";
import { AuditRecorder } from "./audit-recorder.ts";

describe("events that belong to no change", () => {
  let fixture: TestDatabase;
  let link: FaultyLink;
  let database: Database;
  let directory: string;
  let lines: LogLines;
  const ends: (() => Promise<unknown>)[] = [];
  beforeEach(async () => {
    fixture = await createDatabase();
    ends.push(() => fixture.remove());
    link = await FaultyLink.to(fixture.config.databaseUrl);
    ends.push(() => link.close());
    lines = new LogLines();
    database = await openDatabase({ databaseUrl: link.url }, createLogger("silent"));
    ends.push(() => database.close());
    directory = await mkdtemp(join(tmpdir(), "warren-audit-"));
    ends.push(() => rm(directory, { recursive: true }));
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  function newRecorder(outbox = new AuditOutbox(directory)): AuditRecorder {
    const recorder = new AuditRecorder({ db: database.db, outbox, log: createLogger("trace", lines) });
    ends.push(() => recorder.close());
    return recorder;
  }
  const logged = () => JSON.stringify(lines.lines);
  const event = (command: string): AuditEvent => ({
    teamId: randomUUID(),
    actor: { type: "system" },
    resource: "sandbox",
    resourceId: "box",
    action: "exec",
    status: "info",
    metadata: { command },
  });
  const record = (recorder: AuditRecorder, commands: string[]) =>
    Promise.all(commands.map((command) => recorder.record(event(command))));
  const stored = async (): Promise<string[]> => {
    const text = "select metadata ->> 'command' as command from audit_logs order by created_at, id";
    return (await query(fixture.config.databaseUrl, text)).rows.map(({ command }) => command);
  };
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => String(from + index));

  it("are in the database, in their order, once they are recorded; many share a statement", async () => {
    await record(newRecorder(), numbers(0, 1234));
    expect(await stored()).toEqual(numbers(0, 1234));
    expect(await readdir(directory)).toEqual([]);
  });

  it("wait on the disk while the database does not answer, hold up nobody, and are in it once it does", async () => {
    const outbox = new AuditOutbox(directory);
    const recorder = newRecorder(outbox);
    await record(recorder, ["before"]);
    expect(await outbox.waiting()).toEqual({ bytes: 0, oldestAt: undefined });
    const began = Date.now();
    const asked = link.fallSilent();
    const recorded = record(recorder, ["during"]);
    await asked;
    await recorded;
    expect(await readFile(join(directory, "audit-outbox.jsonl"), "utf8").catch(() => "leaving")).toMatch(
      /during|leaving/,
    );
    const first = await outbox.waiting();
    await record(recorder, numbers(0, 20));
    const { bytes, oldestAt } = await outbox.waiting();
    expect([bytes > first.bytes, oldestAt]).toEqual([true, first.oldestAt]);
    expect([oldestAt! >= began, oldestAt! <= Date.now()]).toEqual([true, true]);
    link.recover();
    link.reset();
    await record(recorder, ["after"]);
    await expect
      .poll(async () => [...(await stored())].sort())
      .toEqual(["after", "before", "during", ...numbers(0, 20)].sort());
    await expect.poll(() => readdir(directory)).toEqual([]);
    expect(await outbox.waiting()).toEqual({ bytes: 0, oldestAt: undefined });
    // Each has the time at which it happened, not that of its arrival.
    const times = await query(
      fixture.config.databaseUrl,
      "select max(created_at) filter (where metadata ->> 'command' = 'after') > max(created_at) filter (where metadata ->> 'command' <> 'after') as last from audit_logs",
    );
    expect(times.rows).toEqual([{ last: true }]);
  });

  it("of a process that was killed are brought in by the next, each once, whatever else is in the file", async () => {
    const outbox = new AuditOutbox(directory);
    const away = openAway();
    await record(away.recorder(outbox), numbers(0, 3));
    const path = join(directory, "audit-outbox.jsonl");
    const whole = await readFile(path, "utf8").catch(() =>
      readFile(join(directory, "audit-outbox-leaving.jsonl"), "utf8"),
    );
    expect(whole.trim().split("\n")).toHaveLength(3);
    await away.close();
    // Half of a line, as a loss of power leaves it, and a file that was half read and is read again.
    await rm(join(directory, "audit-outbox-leaving.jsonl"), { force: true });
    await rm(path, { force: true });
    await appendFile(join(directory, "audit-outbox-leaving.jsonl"), whole);
    await appendFile(path, `${whole}{"id":"0196`);
    const next = newRecorder();
    await next.start();
    await expect.poll(stored).toEqual(numbers(0, 3));
    await expect.poll(() => readdir(directory)).toEqual([]);
    // It may have to follow the others by the disk: their file is gone a moment before the recorder knows of it.
    await record(next, ["next"]);
    await expect.poll(stored).toEqual([...numbers(0, 3), "next"]);
  });

  it("that come just when the last one leaves the disk do not stay there", async () => {
    const away = openAway();
    await record(away.recorder(new AuditOutbox(directory)), ["first"]);
    await away.close();
    const outbox = new AuditOutbox(directory);
    const recorder = newRecorder(outbox);
    const late: string[] = [];
    const comeLate = async () => {
      late.push(`late ${late.length}`);
      await record(recorder, late.slice(-1));
    };
    const [drain, isEmpty] = [outbox.drain.bind(outbox), outbox.isEmpty.bind(outbox)];
    outbox.drain = async (take) => {
      await drain(take);
      if (late.length === 0) await comeLate();
    };
    outbox.isEmpty = async () => {
      const empty = await isEmpty();
      if (empty && late.length === 1) await comeLate();
      return empty;
    };
    await recorder.start();
    await expect.poll(() => late.length).toBeGreaterThan(0);
    await expect.poll(() => readdir(directory)).toEqual([]);
    expect(await stored()).toEqual(["first", ...late]);
  });

  it("beyond what the disk takes are in the log, and hold up nobody either", async () => {
    const away = openAway();
    await record(away.recorder(new AuditOutbox(directory, 600)), ["kept"]);
    await record(away.recorder(new AuditOutbox(directory, 600)), ["x".repeat(600)]);
    expect(logged()).toContain("could not be kept");
    expect(logged()).toContain("x".repeat(600));
    await away.close();
  });

  it("that the database refuses for what is in them hold back no other", async () => {
    const outbox = new AuditOutbox(directory);
    const bad = { ...event("bad"), status: "unheard of" } as unknown as AuditEvent;
    const recorder = newRecorder(outbox);
    await Promise.all([recorder.record(event("first")), recorder.record(bad), recorder.record(event("last"))]);
    await expect.poll(stored).toEqual(["first", "last"]);
    await expect.poll(logged).toContain("refuses an event");
  });

  /** Recorders whose database is not there. */
  function openAway() {
    const recorders: AuditRecorder[] = [];
    const db = {
      getExecutor: () => {
        throw new Error("away");
      },
    };
    return {
      recorder(outbox: AuditOutbox): AuditRecorder {
        const recorder = new AuditRecorder({ db: db as never, outbox, log: createLogger("trace", lines) });
        recorders.push(recorder);
        return recorder;
      },
      close: () => Promise.all(recorders.map((recorder) => recorder.close())),
    };
  }
});
