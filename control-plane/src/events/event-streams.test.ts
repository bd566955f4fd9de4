import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { TeamEvent } from "@warren/contracts/rest/events";
import { Kysely } from "kysely";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ControlPlane, startControlPlane } from "../control-plane.ts";
import { openPostgres } from "../database/postgres.ts";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { createLogger } from "../logging.ts";
import { EventReader } from "../testing/event-reader.ts";
import { expectStatus, Person, startAccountStack } from "../testing/person.ts";
import type { TestStack } from "../testing/test-stack.ts";
import { EventLog } from "./event-log.ts";

/** Bytes of a note about a sandbox that make its events large. */
const LARGE = 60_000;

let database: TestDatabase;
let stack: TestStack;
let second: ControlPlane;
let sql: pg.Client;
const clients: pg.Client[] = [];

beforeAll(async () => {
  database = await createDatabase();
  stack = await startAccountStack(database);
  second = await startSecond();
  sql = await connect();
});
afterAll(async () => {
  for (const client of clients) await client.end();
  await second?.close();
  await stack?.close();
  await database?.remove();
});

/** Another control plane on the database. */
function startSecond(): Promise<ControlPlane> {
  const { config } = stack;
  const dataDir = join(config.dataDir, "second");
  const secretKeyFile = join(config.dataDir, "secret.key");
  return startControlPlane({ ...config, dataDir, secretKeyFile }, createLogger("silent"));
}

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.config.databaseUrl });
  await client.connect();
  clients.push(client);
  return client;
}

const bearer = (person: Person) => ({ authorization: `Bearer ${person.token}` });
const teamOf = (person: Person) => fromWireId("team", person.teamId);

/** Makes a template, which is the smallest change. */
async function makeTemplate(person: Person, name: string, client = sql): Promise<void> {
  await client.query("insert into templates (name, team_id) values ($1, $2)", [name, teamOf(person)]);
}

const names = (events: { data: TeamEvent }[]) => events.map(({ data }) => data.id);
const last = (name: string) => (event: { data: TeamEvent }) => event.data.id === name;

describe("streams of several control planes on one database", () => {
  it("tell at one what happens at the other", async () => {
    const owner = await Person.signUp(stack);
    const readers = [
      await EventReader.open(stack.url, bearer(owner), "?types=sandbox"),
      await EventReader.open(second.url, bearer(owner), "?types=sandbox"),
    ];
    const created = await fetch(`${second.url}/v1/sandboxes`, {
      method: "POST",
      headers: { ...bearer(owner), "content-type": "application/json" },
      body: "{}",
    });
    await expectStatus(created, 201);
    for (const reader of readers) {
      expect((await reader.take(2)).map(({ data }) => data.type === "sandbox" && data.status)).toEqual([
        "pending",
        "running",
      ]);
      reader.close();
    }
  });

  it("tell of a transaction that commits late, also to a client that had gone on to later events", async () => {
    const owner = await Person.signUp(stack);
    const [early, late] = [await connect(), await connect()];
    const reader = await EventReader.open(stack.url, bearer(owner), "?types=template");
    await late.query("begin");
    await makeTemplate(owner, "late", late);
    await early.query("begin");
    await makeTemplate(owner, "early", early);
    await early.query("commit");
    expect(names(await reader.take(1))).toEqual(["early"]);
    const { lastId } = reader;
    reader.close();
    const resumed = await EventReader.open(second.url, { ...bearer(owner), "last-event-id": lastId });
    await late.query("commit");
    expect(names(await resumed.take(1))).toEqual(["late"]);
    const again = await EventReader.open(stack.url, bearer(owner), `?after=${lastId}`);
    expect(names(await again.take(1))).toEqual(["late"]);
    await makeTemplate(owner, "next");
    for (const each of [resumed, again]) {
      expect(names(await each.take(1))).toEqual(["next"]);
      each.close();
    }
  });

  it("tell of what happened while the connection that wakes them was broken", async () => {
    const owner = await Person.signUp(stack);
    const reader = await EventReader.open(stack.url, bearer(owner), "?types=template");
    await makeTemplate(owner, "before");
    expect(names(await reader.take(1))).toEqual(["before"]);
    await sql.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'warren warren_events' and datname = current_database()",
    );
    await makeTemplate(owner, "meanwhile");
    expect(names(await reader.take(1))).toEqual(["meanwhile"]);
    reader.close();
  });

  it("lose nothing of a storm of changes, and tell nothing twice, to clients that break off and come again", {
    timeout: 120_000,
  }, async () => {
    const owner = await Person.signUp(stack);
    const writers = await Promise.all(Array.from({ length: 6 }, connect));
    const WRITES = 90;
    const follow = async (urls: string[], chance: number) => {
      const found: string[] = [];
      let reader = await EventReader.open(urls[0]!, bearer(owner), "?types=template");
      for (let turn = 1; found.at(-1) !== "end"; turn++) {
        const event = await reader.next();
        if (event) found.push(event.data.id);
        if (event && turn % chance !== 0) continue;
        const { lastId } = reader;
        reader.close();
        const url = urls[turn % urls.length]!;
        reader = await EventReader.open(url, { ...bearer(owner), "last-event-id": lastId }, "?types=template");
      }
      reader.close();
      return found;
    };
    const followers = [
      follow([stack.url], Number.POSITIVE_INFINITY),
      follow([second.url], 7),
      follow([second.url, stack.url], 3),
    ];
    // Streams must be open before the first change.
    await Promise.all(
      [stack.url, second.url].map((url) => EventReader.open(url, bearer(owner)).then((r) => r.close())),
    );
    const written = await Promise.all(
      writers.map(async (client, writer) => {
        const made: string[] = [];
        for (let write = 0; write < WRITES; write += 3) {
          await client.query("begin");
          for (const part of [0, 1, 2]) {
            const name = `t${writer}-${write + part}`;
            await makeTemplate(owner, name, client);
            if (write % 5 !== 0) made.push(name);
          }
          await client.query(write % 5 === 0 ? "rollback" : "commit");
        }
        return made;
      }),
    );
    await makeTemplate(owner, "end");
    const expected = [...written.flat(), "end"].sort();
    for (const found of await Promise.all(followers)) expect(found.sort()).toEqual(expected);
  });

  it("give a client that reads slowly all of it, and hold little for it", { timeout: 120_000 }, async () => {
    const owner = await Person.signUp(stack);
    const reader = await EventReader.open(stack.url, bearer(owner), "?types=sandbox,template");
    const id = `sb${randomUUID()
      .replace(/[^a-z]/g, "")
      .padEnd(20, "a")
      .slice(0, 20)}`;
    await sql.query(
      `insert into sandboxes (id, team_id, spec, metadata, status) values ($1, $2, '{"vcpus":1,"memory_mb":128}', $3, 'running')`,
      [id, teamOf(owner), JSON.stringify({ note: "x".repeat(LARGE) })],
    );
    const before = process.memoryUsage().rss;
    for (let change = 0; change < 400; change++) {
      await sql.query("update sandboxes set version = version + 1 where id = $1", [id]);
    }
    await makeTemplate(owner, "end");
    // All 24 MB are written by now, but for what the kernel does not take.
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
    const events = await reader.until(last("end"));
    expect(events).toHaveLength(402);
    expect(events.slice(0, -1).every(({ data }) => JSON.stringify(data).length > LARGE)).toBe(true);
    // It gets what comes next as all others do.
    await makeTemplate(owner, "after the end");
    expect(names(await reader.take(1))).toEqual(["after the end"]);
    reader.close();
  });
});

describe("a stream that goes on", () => {
  it("after a restart of the server has what happened meanwhile", async () => {
    const owner = await Person.signUp(stack);
    const reader = await EventReader.open(second.url, bearer(owner), "?types=template");
    await makeTemplate(owner, "first");
    expect(names(await reader.take(1))).toEqual(["first"]);
    await second.close();
    // It ended, and did not break.
    expect(await reader.next()).toBeUndefined();
    await makeTemplate(owner, "second");
    second = await startSecond();
    await makeTemplate(owner, "third");
    const resumed = await EventReader.open(second.url, { ...bearer(owner), "last-event-id": reader.lastId });
    expect(names(await resumed.take(2))).toEqual(["second", "third"]);
    resumed.close();
  });

  it("after events that are no longer kept is told to read anew, and follows from there", async () => {
    const owner = await Person.signUp(stack);
    const reader = await EventReader.open(stack.url, bearer(owner), "?types=template");
    await makeTemplate(owner, "old");
    const { id } = (await reader.take(1))[0]!;
    reader.close();
    await makeTemplate(owner, "lost");
    const { dialect, connections } = await openPostgres(
      database.config.databaseUrl,
      { maxConnections: 1 },
      createLogger("silent"),
    );
    const log = new EventLog(new Kysely({ dialect }));
    expect(await log.removeOld(3600, 1_000_000, 5000)).toBe(0);
    expect(await log.removeOld(0, 1_000_000, 5000)).toBeGreaterThan(1);
    await connections.end();
    const resumed = await EventReader.open(second.url, { ...bearer(owner), "last-event-id": id! });
    expect(await resumed.next()).toMatchObject({ name: "reset", data: { message: expect.stringContaining("anew") } });
    const { lastId } = resumed;
    await makeTemplate(owner, "new");
    expect(names(await resumed.take(1))).toEqual(["new"]);
    resumed.close();
    // Having read anew it goes on from there.
    const again = await EventReader.open(stack.url, { ...bearer(owner), "last-event-id": lastId });
    expect(names(await again.take(1))).toEqual(["new"]);
    again.close();
  });

  it("after an id of another database, or of its own future, is told to read anew", async () => {
    const owner = await Person.signUp(stack);
    const reader = await EventReader.open(stack.url, bearer(owner));
    const [log] = reader.lastId.split("-");
    reader.close();
    for (const id of ["00000000-5", `${log}-999999999999`]) {
      const resumed = await EventReader.open(stack.url, { ...bearer(owner), "last-event-id": id });
      expect((await resumed.next())?.name).toBe("reset");
      resumed.close();
    }
  });
});
