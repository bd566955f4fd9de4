import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NewWebhook, WebhookDeliveryPage } from "@warren/contracts/rest/webhooks";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FaultyLink } from "../database/testing/faulty-link.ts";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { ControlPlaneProcess } from "../testing/control-plane-process.ts";
import { expectJson, Person } from "../testing/person.ts";
import { type Received, Receiver } from "./testing/receiver.ts";

/** Milliseconds in which another control plane takes over, and what a machine under load may take more. */
const TAKE_OVER_MS = 20_000;

const SECRET_KEY = randomBytes(32).toString("base64");

let database: TestDatabase;
let sql: pg.Client;
let receiver: Receiver;
let ends: (() => Promise<unknown>)[];
beforeEach(async () => {
  ends = [];
  database = await createDatabase();
  ends.push(() => database.remove());
  sql = new pg.Client(database.config.databaseUrl);
  await sql.connect();
  ends.push(() => sql.end());
  receiver = await Receiver.start();
  ends.push(() => receiver.close());
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
});

/** Starts a control plane on the shared database, by a way of its own to it if there is one. */
async function start(databaseUrl = database.config.databaseUrl): Promise<ControlPlaneProcess & { address: string }> {
  const dataDir = await mkdtemp(join(tmpdir(), "warren-replica-"));
  ends.push(() => rm(dataDir, { recursive: true, force: true }));
  const plane = new ControlPlaneProcess({
    WARREN_DATA_DIR: dataDir,
    WARREN_SECRET_KEYS: SECRET_KEY,
    WARREN_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8",
    WARREN_RATE_LIMIT_FACTOR: "1000",
    DATABASE_URL: databaseUrl,
  });
  ends.push(() => plane.kill());
  return Object.assign(plane, { address: await plane.url() });
}

/** Starts two, of which the first sends what webhooks are told. */
async function startTwo(firstDatabaseUrl?: string) {
  const first = await start(firstDatabaseUrl);
  await expect.poll(isLed, { timeout: TAKE_OVER_MS }).toBe(true);
  const second = await start();
  return { first, second };
}

/** Whether some control plane sends. */
async function isLed(): Promise<boolean> {
  const { rows } = await sql.query(
    `select from pg_locks join pg_stat_activity as session using (pid)
     where locktype = 'advisory' and granted and application_name = 'warren webhooks' and datname = current_database()`,
  );
  return rows.length > 0;
}

async function make(person: Person, path: string): Promise<NewWebhook> {
  const body = { name: "keys", events: ["api_key.created"], url: `${receiver.url}${path}` };
  return expectJson<NewWebhook>(await person.call("POST", "/v1/webhooks", body), 201);
}

const nameIn = ({ body }: Received): string => JSON.parse(body).data.resource.name;
const idOf = ({ headers }: Received) => headers["webhook-id"];

describe("webhooks of two control planes on one database", () => {
  it("are told of each event once, whichever of them it comes from", async () => {
    const { first, second } = await startTwo();
    const owner = await Person.signUp({ url: first.address });
    const elsewhere = new Person(second.address, owner.session);
    const hook = await make(owner, "/once");
    const names = Array.from({ length: 40 }, (_, index) => `key ${index}`);
    await Promise.all(names.map((name, index) => (index % 2 ? owner : elsewhere).createApiKey({ name })));
    const log = async () =>
      (await elsewhere.get<WebhookDeliveryPage>(`/v1/webhooks/${hook.id}/deliveries?status=delivered&limit=200`)).items;
    await expect.poll(async () => (await log()).length, { timeout: 60_000 }).toBe(names.length);
    expect((await log()).every(({ attempts }) => attempts === 1)).toBe(true);
    expect(receiver.received.map(nameIn).sort()).toEqual(names.sort());
    expect(new Set(receiver.received.map(idOf)).size).toBe(names.length);
  }, 120_000);

  it("are told of everything again that was under way when the one that sends was killed, with the same ids, and of what comes at once", async () => {
    const { first, second } = await startTwo();
    const owner = await Person.signUp({ url: first.address });
    const elsewhere = new Person(second.address, owner.session);
    await make(owner, "/killed");
    // Nothing is answered before the first has gone.
    receiver.answer = () => undefined;
    for (const name of ["a", "b", "c", "d", "e", "f"]) await owner.createApiKey({ name });
    const begun = [...(await receiver.until(({ length }) => length === 4))];
    const killed = performance.now();
    await first.kill();
    receiver.answer = (response) => response.end("ok");
    await elsewhere.createApiKey({ name: "g" });
    await receiver.until((received) => received.slice(4).some((each) => nameIn(each) === "g"));
    expect(performance.now() - killed).toBeLessThan(TAKE_OVER_MS);
    // As if the minute had passed after which an attempt counts as lost.
    await sql.query("update webhook_deliveries set next_attempt_at = now() where status = 'pending'");
    await sql.query("notify warren_events");
    const all = await receiver.until(({ length }) => length >= 4 + 7);
    const after = all.slice(4);
    expect(after.map(nameIn).sort()).toEqual(["a", "b", "c", "d", "e", "f", "g"]);
    for (const each of begun) expect(after.map(idOf)).toContain(idOf(each));
  }, 120_000);

  it("are told within ten seconds by the other when the one that sends loses its database in a transaction", async () => {
    const link = await FaultyLink.to(database.config.databaseUrl);
    const { second } = await startTwo(link.url);
    ends.push(() => link.close());
    const owner = await Person.signUp({ url: second.address });
    await make(owner, "/cut");
    await owner.createApiKey({ name: "before" });
    await receiver.until(({ length }) => length === 1);
    // The name of the key is first sent by this way when its delivery is noted.
    const cut = link.fallSilentAt("the name of a key");
    await owner.createApiKey({ name: "the name of a key" });
    await cut;
    const begin = performance.now();
    await receiver.until((received) => received.some((each) => nameIn(each) === "the name of a key"));
    expect(performance.now() - begin).toBeLessThan(TAKE_OVER_MS);
  }, 120_000);
});
