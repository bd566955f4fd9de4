import type { AuditPage } from "@warren/contracts/rest/audit";
import type {
  NewWebhook,
  Webhook as WebhookBody,
  WebhookDelivery,
  WebhookDeliveryPage,
  WebhookSecret,
} from "@warren/contracts/rest/webhooks";
import pg from "pg";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { expectJson, expectStatus, Person, startAdminStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";
import { type Received, Receiver } from "./testing/receiver.ts";

let database: TestDatabase;
let stack: TestStack;
let admin: Person;
let receiver: Receiver;
beforeAll(async () => {
  database = await createDatabase();
  ({ stack, admin } = await startAdminStack(database, { config: { webhookTargets: ["127.0.0.0/8"] } }));
  receiver = await Receiver.start();
});
afterAll(async () => {
  await stack?.close();
  await receiver?.close();
  await database?.remove();
});

const standard = { name: "deployments", events: ["*"] };

async function make(person: Person, path: string, request: object = {}, prefix = "/v1/webhooks"): Promise<NewWebhook> {
  const body = { ...standard, url: `${receiver.url}${path}`, ...request };
  return expectJson<NewWebhook>(await person.call("POST", prefix, body), 201);
}

const at = (path: string) => (received: Received[]) => received.filter((each) => each.path === path);

/** Messages at a path, once there are so many. */
async function messages(path: string, count: number): Promise<Received[]> {
  return at(path)(await receiver.until((received) => at(path)(received).length >= count));
}

async function log(person: Person, hook: { id: string }): Promise<WebhookDelivery[]> {
  return (await person.get<WebhookDeliveryPage>(`/v1/webhooks/${hook.id}/deliveries`)).items;
}

describe("webhooks", () => {
  it("tell the life of a sandbox in signed messages, with the reason and the sandbox as the API shows it", async () => {
    const owner = await Person.signUp(stack);
    const { secret, ...shown } = await make(owner, "/life", { events: ["sandbox.*"] });
    expect(secret).toMatch(/^whsec_/);
    expect(await owner.get(`/v1/webhooks/${shown.id}`)).toEqual(shown);
    expect(await owner.get("/v1/webhooks")).toEqual([shown]);
    const { id } = await expectJson<{ id: string }>(await owner.call("POST", "/v1/sandboxes", { name: "box" }), 201);
    await expectStatus(await owner.call("DELETE", `/v1/sandboxes/${id}`), 204);
    const received = await messages("/life", 4);
    const bodies = received.map(({ body, headers }) => {
      const verified = new Webhook(secret).verify(body, headers as Record<string, string>) as {
        type: string;
        team_id: string;
        data: { type: string; action: string; id: string; status: string; resource?: { name: string } };
      };
      expect(verified).toMatchObject({ team_id: owner.teamId, data: { type: "sandbox", id } });
      return verified;
    });
    expect(new Set(received.map(({ headers }) => headers["webhook-id"])).size).toBe(4);
    expect(bodies.map(({ type }) => type).sort()).toEqual([
      "sandbox.changed",
      "sandbox.changed",
      "sandbox.created",
      "sandbox.deleted",
    ]);
    expect(bodies.find(({ type }) => type === "sandbox.created")!.data.resource!.name).toBe("box");
    const [first] = received;
    expect(() =>
      new Webhook(secret).verify(first!.body.replace("box", "bax"), first!.headers as Record<string, string>),
    ).toThrow();
  });

  it("are told of what they ask for alone, and of nothing while they are off", async () => {
    const owner = await Person.signUp(stack);
    const hook = await make(owner, "/keys", { events: ["api_key.created"] });
    const off = await make(owner, "/off", { enabled: false });
    const key = await owner.createApiKey({ name: "one" });
    await owner.createApiKey({ name: "two" });
    expect((await messages("/keys", 2)).map(({ body }) => JSON.parse(body).data.resource.name).sort()).toEqual([
      "one",
      "two",
    ]);
    await expectStatus(await owner.call("DELETE", `/v1/api-keys/${key.id}`), 204);
    await expectStatus(await owner.call("PATCH", `/v1/webhooks/${off.id}`, { enabled: true }), 200);
    await owner.createApiKey({ name: "three" });
    const told = await receiver.until((received) => at("/off")(received).some(({ body }) => body.includes("three")));
    expect(JSON.parse(at("/off")(told).at(-1)!.body)).toMatchObject({
      type: "api_key.created",
      data: { resource: { name: "three" } },
    });
    expect(await log(owner, hook)).toHaveLength(3);
  });

  it("of another team are told of nothing, and are not there for it", async () => {
    const [owner, stranger] = [await Person.signUp(stack), await Person.signUp(stack)];
    const hook = await make(stranger, "/stranger");
    await make(owner, "/owner");
    await owner.createApiKey();
    await messages("/owner", 1);
    expect(await log(stranger, hook)).toEqual([]);
    const path = `/v1/webhooks/${hook.id}`;
    const requests: [string, string, object?][] = [
      ["GET", path],
      ["PATCH", path, { name: "mine" }],
      ["DELETE", path],
      ["POST", `${path}/secret`],
      ["POST", `${path}/test`],
      ["GET", `${path}/deliveries`],
    ];
    for (const [method, url, body] of requests) expect((await owner.call(method, url, body)).status).toBe(404);
  });

  it("send a test at once, and tell what was answered", async () => {
    const owner = await Person.signUp(stack);
    const hook = await make(owner, "/test");
    const delivery = await expectJson<WebhookDelivery>(await owner.call("POST", `/v1/webhooks/${hook.id}/test`), 200);
    expect(delivery).toMatchObject({
      event: "test",
      status: "delivered",
      attempts: 1,
      response_status: 200,
      response: "ok",
    });
    const [message] = await messages("/test", 1);
    expect(message!.headers["webhook-id"]).toBe(delivery.id);
    expect(await log(owner, hook)).toEqual([delivery]);
    const last_delivery = { status: "delivered", at: delivery.last_attempt_at };
    expect(await owner.get<WebhookBody[]>("/v1/webhooks")).toMatchObject([{ id: hook.id, last_delivery }]);
  });

  it("have the signatures of both secrets for a day when the secret is another", async () => {
    const owner = await Person.signUp(stack);
    const hook = await make(owner, "/rotated");
    const rotated = await expectJson<WebhookSecret>(await owner.call("POST", `/v1/webhooks/${hook.id}/secret`), 201);
    expect(rotated.secret).not.toBe(hook.secret);
    const day = Date.parse(rotated.previous_secret_valid_until!) - Date.now();
    expect(day).toBeGreaterThan(23 * 3_600_000);
    await expectJson(await owner.call("POST", `/v1/webhooks/${hook.id}/test`), 200);
    const [message] = await messages("/rotated", 1);
    for (const secret of [hook.secret, rotated.secret]) {
      new Webhook(secret).verify(message!.body, message!.headers as Record<string, string>);
    }
  });

  it("try again what failed, and send again what is over", async () => {
    const owner = await Person.signUp(stack);
    const hook = await make(owner, "/flaky");
    const before = receiver.answer;
    receiver.answer = (response, { path }) => {
      response.statusCode = path === "/flaky" ? 503 : 200;
      response.end("busy\u0000\u001b[31m");
    };
    await owner.createApiKey();
    await messages("/flaky", 1);
    const failed = await expectJson<WebhookDelivery>(await owner.call("POST", `/v1/webhooks/${hook.id}/test`), 200);
    receiver.answer = before;
    expect(failed).toMatchObject({ status: "pending", response_status: 503, response: "busy\ufffd\ufffd[31m" });
    const pause = Date.parse(failed.next_attempt_at!) - Date.parse(failed.last_attempt_at!);
    expect(pause).toBeGreaterThan(7000);
    expect(pause).toBeLessThan(13_000);
    expect((await owner.get<WebhookBody>(`/v1/webhooks/${hook.id}`)).failing_since).toBeDefined();
    // The second attempts come by themselves.
    const all = await messages("/flaky", 4);
    expect(new Set(all.map(({ headers }) => headers["webhook-id"])).size).toBe(2);
    const again = `/v1/webhooks/${hook.id}/deliveries/${failed.id}/redeliver`;
    await expect
      .poll(async () => (await log(owner, hook)).map(({ status }) => status))
      .toEqual(["delivered", "delivered"]);
    expect((await owner.get<WebhookBody>(`/v1/webhooks/${hook.id}`)).failing_since).toBeUndefined();
    const redelivered = await expectJson<WebhookDelivery>(await owner.call("POST", again), 200);
    expect(redelivered).toMatchObject({ id: failed.id, status: "delivered", attempts: 3 });
    expect((await messages("/flaky", 5)).at(-1)!.headers["webhook-id"]).toBe(failed.id);
  }, 60_000);

  it("give a message up after its last attempt, are switched off after days, and say so in the audit log", async () => {
    const owner = await Person.signUp(stack);
    const hook = await make(owner, "/hopeless");
    receiver.answer = (response, { path }) => {
      response.statusCode = path === "/hopeless" ? 500 : 200;
      response.end();
    };
    const sql = new pg.Client(database.config.databaseUrl);
    await sql.connect();
    try {
      await owner.createApiKey();
      await messages("/hopeless", 1);
      await expect.poll(async () => (await log(owner, hook))[0]?.attempts).toBe(1);
      await expect.poll(async () => (await log(owner, hook))[0]?.response_status).toBe(500);
      await sql.query("update webhooks set failing_since = now() - interval '4 days' where name = 'deployments'");
      await sql.query("update webhook_deliveries set tries = 10, next_attempt_at = now() where status = 'pending'");
      await sql.query("notify warren_events");
      await expect.poll(async () => (await owner.get<WebhookBody>(`/v1/webhooks/${hook.id}`)).enabled).toBe(false);
    } finally {
      await sql.end();
      receiver.answer = (response) => response.end("ok");
    }
    expect(await owner.get(`/v1/webhooks/${hook.id}`)).toMatchObject({ disabled_reason: "failing" });
    expect(await log(owner, hook)).toMatchObject([{ status: "failed", attempts: 2 }]);
    const { items } = await owner.get<AuditPage>("/v1/audit-logs?resource_type=webhook");
    expect(items.map(({ action, actor_type }) => [action, actor_type])).toEqual([
      ["disable", "system"],
      ["give_up", "system"],
      ["create", "user"],
    ]);
    const on = await owner.call("PATCH", `/v1/webhooks/${hook.id}`, { enabled: true });
    expect(await on.json()).toMatchObject({ enabled: true });
  });

  it("are held up by no other, be there as many as may be that hang, drip or never end", async () => {
    const before = receiver.answer;
    receiver.answer = (response, { path }) => {
      if (path.startsWith("/hang")) return;
      if (path.startsWith("/drip")) {
        const timer = setInterval(() => response.write("x"), 1000);
        response.on("close", () => clearInterval(timer));
      } else if (path.startsWith("/endless")) {
        const more = () => {
          while (!response.destroyed && response.write("x".repeat(65_536)));
          if (!response.destroyed) response.once("drain", more);
        };
        more();
      } else response.end("ok");
    };
    const owner = await Person.signUp(stack);
    const bad = ["/hang", "/drip", "/endless"];
    for (let made = 0; made < 18; made++) await make(owner, bad[made % 3]!, { events: ["api_key.created"] });
    await make(owner, "/fine", { events: ["api_key.created"] });
    // Each of the bad ones has all the attempts under way that it may have, and more that wait.
    for (let made = 0; made < 6; made++) await owner.createApiKey();
    await messages("/fine", 6);
    await messages("/hang", 4 * 6);
    const begin = performance.now();
    await owner.createApiKey();
    await messages("/fine", 7);
    // Less than any of them is waited for.
    expect(performance.now() - begin).toBeLessThan(10_000);
    receiver.answer = before;
  }, 60_000);

  it("of the platform are told of all teams and of hosts", async () => {
    const hook = await make(admin, "/platform", { events: ["host.*", "team.created"] }, "/v1/admin/webhooks");
    expect(hook.team_id).toBeUndefined();
    const owner = await Person.signUp(stack);
    await expectStatus(await admin.call("POST", "/v1/hosts", { type: "regular" }), 201);
    const told = (await messages("/platform", 2)).map(({ body }) => JSON.parse(body));
    const team = told.find(({ type }) => type === "team.created");
    expect(team).toMatchObject({ team_id: owner.teamId, data: { id: owner.teamId } });
    const host = told.find(({ type }) => type === "host.created");
    expect(host).toMatchObject({ data: { status: "pending", resource: { type: "regular", status: "pending" } } });
    expect(host.team_id).toBeUndefined();
    expect(await admin.get("/v1/webhooks")).toEqual([]);
    await expectStatus(await admin.call("DELETE", `/v1/admin/webhooks/${hook.id}`), 204);
  });

  it("refuse what is not right with the name of the field, and change nothing", async () => {
    const owner = await Person.signUp(stack);
    const url = `${receiver.url}/x`;
    const bad: [object, string][] = [
      [{ url: "ftp://example.org" }, "body/url"],
      [{ url: "http://[" }, "body/url"],
      [{ url: "http://user:secret@example.org/" }, "body/url"],
      [{ url: "http://10.0.0.1/" }, "body/url"],
      [{ url: "http://0xa9fea9fe/latest" }, "body/url"],
      [{ url: "http://[::ffff:10.0.0.1]/" }, "body/url"],
      [{ url: "http://[64:ff9b::a00:1]/" }, "body/url"],
      [{ url: `http://example.org/${"x".repeat(2048)}` }, "body/url"],
      [{ url, events: [] }, "body/events"],
      [{ url, events: ["sandbox.exploded"] }, "body/events"],
      [{ url, name: "" }, "body/name"],
      [{ url, format: "xml" }, "body/format"],
      [{ url, secret: "mine" }, "body"],
    ];
    for (const [body, field] of bad) {
      const error = await errorOf(await owner.call("POST", "/v1/webhooks", { ...standard, ...body }));
      expect(error).toMatchObject({ status: 400, code: "invalid_request", message: expect.stringContaining(field) });
    }
    expect(await owner.get("/v1/webhooks")).toEqual([]);
    for (let made = 0; made < 20; made++) await make(owner, "/many", { enabled: false });
    expect(await errorOf(await owner.call("POST", "/v1/webhooks", { ...standard, url }))).toMatchObject({
      code: "quota_exceeded",
    });
  });

  it("keep address and secrets sealed in the database", async () => {
    const owner = await Person.signUp(stack);
    const hook = await make(owner, "/token-in-the-address");
    const sql = new pg.Client(database.config.databaseUrl);
    await sql.connect();
    const { rows } = await sql.query("select webhooks::text as row from webhooks");
    await sql.end();
    const text = JSON.stringify(rows);
    expect(text).not.toContain("token-in-the-address");
    expect(text).not.toContain(hook.secret.slice("whsec_".length));
  });
});
