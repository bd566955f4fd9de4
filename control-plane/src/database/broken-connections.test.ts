import { afterAll, beforeAll, expect, it } from "vitest";
import { createLogger } from "../logging.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";
import { openPostgres } from "./postgres.ts";
import { FaultyLink } from "./testing/faulty-link.ts";
import { createDatabase, type TestDatabase } from "./testing/test-database.ts";
import { isDatabaseAway } from "./unavailable.ts";

let fixture: TestDatabase;
let link: FaultyLink;
let stack: TestStack;
beforeAll(async () => {
  fixture = await createDatabase();
  link = await FaultyLink.to(fixture.config.databaseUrl);
  stack = await TestStack.start({ config: { ...fixture.config, databaseUrl: link.url } });
});
afterAll(async () => {
  await stack?.close();
  await link?.close();
  await fixture?.remove();
});

const AWAY = { status: 503, code: "database_unavailable" };

it("a request under way is answered with 503 when the connections break, and the next ones as ever", async () => {
  const { id } = await stack.createSandbox();
  const get = () => stack.call("GET", `/v1/sandboxes/${id}`);
  for (let round = 0; round < 3; round++) {
    const asked = link.fallSilent(id);
    const answer = get();
    await asked;
    link.recover();
    link.reset();
    expect(Number((await answer).headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await errorOf(await answer)).toMatchObject(AWAY);
    await expect.poll(async () => (await get()).status).toBe(200);
  }
  expect((await stack.createSandbox()).status).toBe("running");
}, 240_000);

it("a server that takes too long, or is silent, fails what is asked of it, and no more", async () => {
  const limits = { statement: 200, silence: 2_000 };
  const link = await FaultyLink.to(fixture.config.databaseUrl);
  const { connections } = await openPostgres(link.url, { maxConnections: 1, limits }, createLogger("silent"));
  try {
    await expect(connections.query("select pg_sleep(60)").catch(isDatabaseAway)).resolves.toBe(true);
    await expect(connections.query("select 1")).resolves.toMatchObject({ rowCount: 1 });
    void link.fallSilent();
    await expect(connections.query("select 1").catch(isDatabaseAway)).resolves.toBe(true);
    link.recover();
    await expect(connections.query("select 1")).resolves.toMatchObject({ rowCount: 1 });
  } finally {
    await connections.end();
    await link.close();
  }
});
