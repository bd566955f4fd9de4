import type { Host } from "@warren/contracts/rest/hosts";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { expectJson, type Person, startAdminStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

const database = testDatabase();
let stack: TestStack;
let admin: Person;
let client: pg.Client;
let hostId: string;

beforeAll(async () => {
  ({ stack, admin } = await startAdminStack(database()));
  client = new pg.Client({ connectionString: database().config.databaseUrl });
  await client.connect();
  [{ id: hostId }] = (await expectJson<Host[]>(await admin.call("GET", "/v1/hosts"), 200)) as [Host];
});
afterAll(async () => {
  await client?.end();
  await stack?.close();
});

const set = (duty: string) => admin.call("POST", `/v1/hosts/${hostId}/${duty}`);
const status = async () => (await expectJson<Host>(await admin.call("GET", `/v1/hosts/${hostId}`), 200)).status;
const create = () => stack.call("POST", "/v1/sandboxes", {});

it("a host that drains takes no new sandboxes and keeps those that it has, until it is brought back", async () => {
  const { id } = await stack.createSandbox();
  expect(await expectJson<Host>(await set("drain"), 200)).toMatchObject({ id: hostId, status: "draining" });
  expect(await expectJson<Host>(await set("drain"), 200)).toMatchObject({ status: "draining" });
  expect(await errorOf(await create())).toMatchObject({ status: 503, code: "no_hosts_available" });
  expect((await stack.call("POST", `/v1/sandboxes/${id}/ping`)).status).toBe(204);

  expect(await errorOf(await set("offline"))).toMatchObject({ status: 409, code: "has_active_sandboxes" });
  expect(await status()).toBe("draining");
  expect((await stack.call("POST", `/v1/sandboxes/${id}/pause`)).status).toBe(200);
  expect(await expectJson<Host>(await set("offline"), 200)).toMatchObject({ status: "offline" });
  expect(await errorOf(await set("drain"))).toMatchObject({ status: 409, code: "invalid_state" });

  expect(await expectJson<Host>(await set("online"), 200)).toMatchObject({ status: "online" });
  expect((await create()).status).toBe(201);
  const { rows } = await client.query(
    "select action from audit_logs where resource_type = 'host' and actor_type = 'user' order by created_at",
  );
  expect(rows.map(({ action }) => action)).toEqual(["drain", "drain", "set_offline", "set_online"]);
});

it("a host that was lost while it drained still does when it is back", async () => {
  await set("drain");
  await client.query("update hosts set status = 'unreachable'");
  await expect.poll(status, { timeout: 30_000 }).toBe("draining");
  await client.query("update hosts set status = 'unreachable', last_heartbeat_at = null");
  expect(["unreachable", "online"]).toContain((await expectJson<Host>(await set("online"), 200)).status);
  await expect.poll(status, { timeout: 30_000 }).toBe("online");
});
