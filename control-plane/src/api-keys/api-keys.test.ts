import type { ApiKey } from "@warren/contracts/rest/api-keys";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { expectJson, expectStatus, Person, send, startAccountStack, upgradeStatus } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

describe("api keys", () => {
  const database = testDatabase();
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startAccountStack(database());
  });
  afterAll(() => stack?.close());

  const call = (key: string, method: string, path: string, body?: unknown) =>
    send(stack.url, method, path, { body, headers: { "x-api-key": key } });

  it("shows its secret once, and works under both prefixes until it is revoked", async () => {
    const person = await Person.signUp(stack);
    const { key, ...shown } = await person.createApiKey({ name: "ci" });
    expect(key).toMatch(/^warren_[0-9a-f]{40}$/);
    expect(shown).toEqual({
      id: expect.stringMatching(/^key-[0-9a-z]{25}$/),
      team_id: person.teamId,
      name: "ci",
      key_prefix: key.slice(0, 12),
      scopes: ["sandboxes", "templates", "read"],
      created_by: person.userId,
      creator_email: person.email,
      created_at: expect.any(String),
    });
    const list = await person.get<ApiKey[]>("/v1/api-keys");
    expect(list).toEqual([shown]);
    const other = key.replace("warren_", "e2b_");
    for (const secret of [key, other]) expect((await call(secret, "GET", "/v1/sandboxes")).status).toBe(200);
    await expectStatus(await person.call("DELETE", `/v1/api-keys/${shown.id}`), 204);
    for (const secret of [key, other]) expect((await call(secret, "GET", "/v1/sandboxes")).status).toBe(401);
    expect(await person.get<ApiKey[]>("/v1/api-keys")).toEqual([]);
    expect(await errorOf(await person.call("DELETE", `/v1/api-keys/${shown.id}`))).toMatchObject({
      status: 404,
      code: "not_found",
    });
  });

  it("belongs to its team: others neither see nor revoke it", async () => {
    const [person, stranger] = [await Person.signUp(stack), await Person.signUp(stack)];
    const { id, key } = await person.createApiKey();
    expect((await stranger.call("DELETE", `/v1/api-keys/${id}`)).status).toBe(404);
    expect(await stranger.get<ApiKey[]>("/v1/api-keys")).toEqual([]);
    expect((await call(key, "GET", "/v1/sandboxes")).status).toBe(200);
  });

  it("has a name when it is given none, and refuses bad values", async () => {
    const person = await Person.signUp(stack);
    expect((await person.createApiKey()).name).toBe("Unnamed API Key");
    for (const body of [
      { name: "" },
      { name: "x".repeat(101) },
      { name: "ci\u001b]0;ci\u0007" },
      { scopes: [] },
      { scopes: ["everything"] },
      { scopes: ["read", "read"] },
      { expires_at: "tomorrow" },
      { key: "warren_1" },
    ]) {
      expect([body, (await person.call("POST", "/v1/api-keys", body)).status]).toEqual([body, 400]);
    }
    const over = await person.call("POST", "/v1/api-keys", { expires_at: "2020-01-01T00:00:00Z" });
    expect(over.status).toBe(409);
    expect(await person.get<ApiKey[]>("/v1/api-keys")).toHaveLength(1);
  });

  it("may end with a leap second", async () => {
    const person = await Person.signUp(stack);
    const { expires_at } = await person.createApiKey({ expires_at: "2099-12-31T23:59:60Z" });
    expect(expires_at).toBe("2100-01-01T00:00:00.000Z");
  });

  it("does what its scopes say", async () => {
    const person = await Person.signUp(stack);
    const { id } = await expectJson<{ id: string }>(await person.call("POST", "/v1/sandboxes", {}), 201);
    const keys: Record<string, string> = {};
    for (const scope of ["read", "templates", "sandboxes"]) {
      keys[scope] = (await person.createApiKey({ scopes: [scope] })).key;
    }
    const attempt = async (method: string, path: string, body?: unknown) => {
      const statuses: Record<string, number> = {};
      for (const [scope, key] of Object.entries(keys)) statuses[scope] = (await call(key, method, path, body)).status;
      return statuses;
    };
    expect(await attempt("GET", "/v1/sandboxes")).toEqual({ read: 200, templates: 200, sandboxes: 200 });
    expect(await attempt("GET", `/v1/sandboxes/${id}`)).toEqual({ read: 200, templates: 200, sandboxes: 200 });
    const exec = ["POST", `/v1/sandboxes/${id}/exec`, { cmd: "true" }] as const;
    expect(await attempt(...exec)).toEqual({ read: 403, templates: 403, sandboxes: 200 });
    expect(await attempt("POST", "/v1/sandboxes", {})).toEqual({ read: 403, templates: 403, sandboxes: 201 });
    const read = ["POST", `/v1/sandboxes/${id}/files/read`, { path: "/nothing-here" }] as const;
    expect(await attempt(...read)).toEqual({ read: 403, templates: 403, sandboxes: 404 });
    for (const form of ["download", "archive"]) {
      const path = `/v1/sandboxes/${id}/files/${form}?path=/nothing-here`;
      expect(await attempt("GET", path)).toEqual({ read: 403, templates: 403, sandboxes: 404 });
    }
    const processes = `/v1/sandboxes/${id}/processes`;
    expect(await attempt("GET", processes)).toEqual({ read: 403, templates: 403, sandboxes: 200 });
    for (const [method, path, body] of [
      ["GET", `${processes}/absent`],
      ["DELETE", `${processes}/absent`],
      ["POST", `${processes}/absent/signal`, { signal: "SIGINT" }],
    ] as const)
      expect(await attempt(method, path, body)).toEqual({ read: 403, templates: 403, sandboxes: 404 });
    // A WebSocket is more than a look.
    const open = (key = "") => upgradeStatus(stack.url, `/v1/sandboxes/${id}/exec/stream`, { "x-api-key": key });
    expect([await open(keys.read), await open(keys.templates), await open(keys.sandboxes)]).toEqual([403, 403, 101]);
    expect(await attempt("DELETE", `/v1/sandboxes/${id}`)).toEqual({ read: 403, templates: 403, sandboxes: 204 });
  });

  it("ends when it said it would", async () => {
    const person = await Person.signUp(stack);
    const expires = new Date(Date.now() + 1500);
    const { key, expires_at } = await person.createApiKey({ expires_at: expires.toISOString() });
    expect(expires_at).toBe(expires.toISOString());
    let status: number | undefined;
    let sentAt: number;
    do {
      sentAt = Date.now();
      // A request that is under way when the key ends loses its connection.
      status = (await call(key, "GET", "/v1/sandboxes").catch(() => undefined))?.status;
    } while (status === 200 && sentAt <= expires.getTime());
    expect((await call(key, "GET", "/v1/sandboxes")).status).toBe(401);
    expect(Date.now()).toBeGreaterThanOrEqual(expires.getTime());
  });

  it("says when it was last used", async () => {
    const person = await Person.signUp(stack);
    const { key } = await person.createApiKey();
    const [unused] = await person.get<ApiKey[]>("/v1/api-keys");
    expect(unused).not.toHaveProperty("last_used");
    const from = Date.now();
    await expectStatus(await call(key, "GET", "/v1/sandboxes"), 200);
    await expect
      .poll(async () => (await person.get<ApiKey[]>("/v1/api-keys"))[0]?.last_used, { timeout: 30_000, interval: 250 })
      .toSatisfy((at) => typeof at === "string" && Date.parse(at) >= from);
  });

  it("is for the owner and admins alone where the team says so", async () => {
    const owner = await Person.signUp(stack);
    const admin = await owner.addMember(await Person.signUp(stack), "admin");
    const member = await owner.addMember(await Person.signUp(stack));
    const mine = await member.createApiKey();
    await expectStatus(await owner.call("PATCH", `/v1/teams/${owner.teamId}`, { api_keys_by_admins: true }), 204);
    expect((await member.call("POST", "/v1/api-keys", {})).status).toBe(403);
    expect((await member.call("DELETE", `/v1/api-keys/${mine.id}`)).status).toBe(403);
    expect(await member.get<ApiKey[]>("/v1/api-keys")).toHaveLength(1);
    await admin.createApiKey();
    await expectStatus(await admin.call("DELETE", `/v1/api-keys/${mine.id}`), 204);
  });
});
