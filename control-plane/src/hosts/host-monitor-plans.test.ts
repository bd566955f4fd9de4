import { SANDBOX_ID } from "@warren/contracts/identifiers";
import pg from "pg";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { AuditLogger } from "../audit/audit-logger.ts";
import { AuditOutbox } from "../audit/audit-outbox.ts";
import { AuditRecorder } from "../audit/audit-recorder.ts";
import { type Database, openDatabase } from "../database/database.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { SandboxChanges } from "../sandboxes/sandbox-changes.ts";
import { SandboxHistory } from "../sandboxes/sandbox-history.ts";
import { SandboxStore } from "../sandboxes/sandbox-store.ts";
import { HostStore } from "./host-store.ts";
import { HostWatch } from "./host-watch.ts";
import { fleetSandboxId, populateFleet } from "./testing/populate-fleet.ts";

const log = createLogger("silent");
const fixture = testDatabase();
const size = { hosts: 500, sandboxesPerHost: 60 };
let database: Database;
beforeAll(async () => {
  database = await openDatabase(fixture().config, log);
  await populateFleet(fixture().config.databaseUrl, size, (host) => `http://127.0.0.1:${host}`);
});
afterAll(() => database?.close());

/** Nodes of the plan of a statement, as `Seq Scan on sandboxes`. */
async function planOf(client: pg.Client, text: string, values: unknown[]): Promise<string[]> {
  const { rows } = await client.query(`explain ${text}`, values);
  return rows.flatMap(({ "QUERY PLAN": line }) => String(line).match(/(?:Seq|Index|Bitmap)[A-Za-z ]* on \w+/) ?? []);
}

it("no statement of the monitor reads all sandboxes, however many there are", async () => {
  const { db } = database;
  const audit = new AuditLogger(new AuditRecorder({ db, outbox: new AuditOutbox(fixture().config.dataDir), log }));
  const store = new SandboxStore(db, new SandboxChanges(), new SandboxHistory(audit.sandboxes));
  const [hosts, watch] = [new HostStore(db, audit.teams), new HostWatch(db, audit.teams)];
  const asked = new Map<string, unknown[]>();
  const { query } = pg.Client.prototype;
  const spy = vi.spyOn(pg.Client.prototype, "query").mockImplementation(function (this: pg.Client, ...all: unknown[]) {
    const [statement, values] = all as [string | { text: string; values?: unknown[] }, unknown[]?];
    if (typeof statement === "string") asked.set(statement, values ?? []);
    else asked.set(statement.text, statement.values ?? values ?? []);
    return Reflect.apply(query, this, all);
  } as never);
  try {
    await watch.begin();
    const [first] = await hosts.listMonitored();
    await watch.noteAnswers([first!.id]);
    expect(await watch.markSilent(90)).toEqual([]);
    expect(await store.markMissing(1000)).toBe(0);
    expect(await store.listOnHost(first!.id)).toHaveLength(size.sandboxesPerHost);
    const ids = Array.from({ length: 20 }, (_, index) => fleetSandboxId(7, index + 1));
    expect(ids.every((id) => SANDBOX_ID.test(id))).toBe(true);
    expect((await store.findKnown(ids)).size).toBe(ids.length);
    const row = (await store.listOnHost(first!.id))[0]!;
    expect(await store.change(row, "paused")).toMatchObject({ status: "paused" });
  } finally {
    spy.mockRestore();
  }
  const statements = [...asked].filter(([text]) => /^\s*(select|insert|update|delete|with)\b/i.test(text));
  expect(statements.length).toBeGreaterThan(6);
  const client = new pg.Client({ connectionString: fixture().config.databaseUrl });
  await client.connect();
  try {
    const nodes: string[] = [];
    for (const [text, values] of statements) {
      const plan = await planOf(client, text, values);
      nodes.push(...plan);
      expect([text, plan]).toEqual([text, expect.not.arrayContaining(["Seq Scan on sandboxes"])]);
    }
    expect(nodes).toContainEqual(expect.stringMatching(/^(?:Index|Bitmap).* on sandboxes/));
  } finally {
    await client.end();
  }
});
