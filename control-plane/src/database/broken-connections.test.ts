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

it("requests under way are answered with 503 when the connections break, and the next ones as ever", async () => {
  const { id } = await stack.createSandbox();
  for (let round = 0; round < 3; round++) {
    const asked = link.fallSilent();
    const answers = ["/v1/sandboxes", `/v1/sandboxes/${id}`].map((path) => stack.call("GET", path));
    const created = stack.call("POST", "/v1/sandboxes", {});
    await asked;
    link.recover();
    link.reset();
    for (const answer of [...answers, created]) {
      const response = await answer;
      if (!response.ok) expect(await errorOf(response)).toMatchObject(AWAY);
    }
  }
  await expect.poll(async () => (await stack.call("GET", `/v1/sandboxes/${id}`)).status).toBe(200);
});

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
