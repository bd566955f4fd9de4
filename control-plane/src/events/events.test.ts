import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { EventReader } from "../testing/event-reader.ts";
import { expectJson, expectStatus, Person, send, startAccountStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

let database: TestDatabase;
let stack: TestStack;
beforeAll(async () => {
  database = await createDatabase();
  stack = await startAccountStack(database);
});
afterAll(async () => {
  await stack?.close();
  await database?.remove();
});

const bearer = (person: Person) => ({ authorization: `Bearer ${person.token}` });

/** What is of interest of events. */
async function told(reader: EventReader, count: number) {
  const events = await reader.take(count);
  return events.map(({ data }) => [data.type, data.action, data.id, ...("status" in data ? [data.status] : [])]);
}

describe("a stream of events", () => {
  it("tells the life of a sandbox, each time with the sandbox as the API shows it", async () => {
    const owner = await Person.signUp(stack);
    const reader = await EventReader.open(stack.url, bearer(owner));
    expect(reader.ready).toEqual({
      types: ["sandbox", "template", "api_key", "member", "team", "quota", "host"],
      resumed: false,
    });
    expect(reader.response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(reader.response.headers.get("cache-control")).toBe("no-store");
    const { id } = await expectJson<{ id: string }>(await owner.call("POST", "/v1/sandboxes", { name: "box" }), 201);
    expect(await told(reader, 1)).toEqual([["sandbox", "created", id, "pending"]]);
    const [running] = await reader.take(1);
    expect(running).toMatchObject({ name: "sandbox", data: { action: "changed", status: "running" } });
    expect((running!.data as { resource: object }).resource).toEqual(await owner.get(`/v1/sandboxes/${id}`));
    await expectStatus(await owner.call("PATCH", `/v1/sandboxes/${id}`, { name: null, metadata: { "a/b": "c" } }), 200);
    await expectStatus(await owner.call("POST", `/v1/sandboxes/${id}/pause`), 200);
    await expectStatus(await owner.call("DELETE", `/v1/sandboxes/${id}`), 204);
    const rest = await reader.until(({ data }) => data.action === "deleted");
    expect(rest[0]).toMatchObject({ data: { status: "running", resource: { metadata: { "a/b": "c" } } } });
    expect(rest.map(({ data }) => data.type === "sandbox" && data.status)).toEqual([
      "running",
      "pausing",
      "paused",
      "stopping",
      "stopped",
    ]);
    expect(rest.at(-1)).toMatchObject({ data: { action: "deleted", resource: { id, status: "stopped" } } });
    reader.close();
  });

  it("tells of templates, keys, members, the team and its quota", async () => {
    const owner = await Person.signUp(stack);
    const member = await Person.signUp(stack);
    const reader = await EventReader.open(stack.url, bearer(owner), "?types=template,api_key&types=member,team,quota");
    const { id } = await expectJson<{ id: string }>(await owner.call("POST", "/v1/sandboxes", {}), 201);
    await expectStatus(await owner.call("POST", "/v1/snapshots", { sandbox_id: id, name: "mine" }), 201);
    expect((await reader.take(1))[0]!.data).toMatchObject({
      type: "template",
      action: "created",
      id: "mine",
      resource: { name: "mine", type: "snapshot" },
    });
    await expectStatus(await owner.call("DELETE", "/v1/snapshots/mine"), 204);
    expect(await told(reader, 1)).toEqual([["template", "deleted", "mine"]]);
    const key = await owner.createApiKey({ name: "robot" });
    expect((await reader.take(1))[0]!.data).toMatchObject({
      type: "api_key",
      id: key.id,
      resource: { id: key.id, name: "robot", creator_email: owner.email },
    });
    await expectStatus(await owner.call("DELETE", `/v1/api-keys/${key.id}`), 204);
    expect(await told(reader, 1)).toEqual([["api_key", "deleted", key.id]]);
    await owner.addMember(member, "admin");
    expect(await told(reader, 2)).toEqual([
      ["member", "created", member.userId],
      ["member", "changed", member.userId],
    ]);
    await expectStatus(await owner.call("DELETE", `/v1/teams/${owner.teamId}/members/${member.userId}`), 204);
    expect(await told(reader, 1)).toEqual([["member", "deleted", member.userId]]);
    await expectStatus(await owner.call("PATCH", `/v1/teams/${owner.teamId}`, { name: "Other" }), 204);
    expect((await reader.take(1))[0]!.data).toMatchObject({
      type: "team",
      action: "changed",
      id: owner.teamId,
      resource: { id: owner.teamId, name: "Other" },
    });
    reader.close();
  });

  it("goes on after the last event that the client has, by the header or by the query", async () => {
    const owner = await Person.signUp(stack);
    const first = await EventReader.open(stack.url, bearer(owner), "?types=sandbox");
    const { id } = await expectJson<{ id: string }>(await owner.call("POST", "/v1/sandboxes", {}), 201);
    await first.take(1);
    first.close();
    await expectStatus(await owner.call("DELETE", `/v1/sandboxes/${id}`), 204);
    const rest = [
      ["sandbox", "changed", id, "running"],
      ["sandbox", "changed", id, "stopping"],
      ["sandbox", "deleted", id, "stopped"],
    ];
    const byHeader = await EventReader.open(stack.url, { ...bearer(owner), "last-event-id": first.lastId });
    const byQuery = await EventReader.open(stack.url, bearer(owner), `?after=${first.lastId}&types=sandbox`);
    expect(byQuery.ready).toEqual({ types: ["sandbox"], resumed: true });
    expect(await told(byHeader, 3)).toEqual(rest);
    expect(await told(byQuery, 3)).toEqual(rest);
    // What comes next is no repetition.
    const { id: other } = await expectJson<{ id: string }>(await owner.call("POST", "/v1/sandboxes", {}), 201);
    expect(await told(byHeader, 1)).toEqual([["sandbox", "created", other, "pending"]]);
    expect(await told(byQuery, 1)).toEqual([["sandbox", "created", other, "pending"]]);
    byHeader.close();
    byQuery.close();
  });

  it("shows a team nothing of another", async () => {
    const [owner, stranger] = [await Person.signUp(stack), await Person.signUp(stack)];
    const reader = await EventReader.open(stack.url, bearer(stranger));
    await expectStatus(await owner.call("POST", "/v1/sandboxes", {}), 201);
    const { id } = await expectJson<{ id: string }>(await stranger.call("POST", "/v1/sandboxes", {}), 201);
    expect(await told(reader, 2)).toEqual([
      ["sandbox", "created", id, "pending"],
      ["sandbox", "changed", id, "running"],
    ]);
    reader.close();
  });

  it("shows programs sandboxes and templates, and refuses them the rest", async () => {
    const owner = await Person.signUp(stack);
    const { key } = await owner.createApiKey({ scopes: ["read"] });
    const reader = await EventReader.open(stack.url, { "x-api-key": key });
    expect(reader.ready!.types).toEqual(["sandbox", "template"]);
    await owner.createApiKey();
    const { id } = await expectJson<{ id: string }>(await owner.call("POST", "/v1/sandboxes", {}), 201);
    expect(await told(reader, 1)).toEqual([["sandbox", "created", id, "pending"]]);
    reader.close();
    const refused = await send(stack.url, "GET", "/v1/events?types=sandbox,member", { headers: { "x-api-key": key } });
    expect(await errorOf(refused)).toMatchObject({ status: 403, code: "forbidden" });
  });

  it("refuses what it does not know, and names it", async () => {
    const owner = await Person.signUp(stack);
    const status = async (query: string, headers: Record<string, string> = {}) =>
      errorOf(await send(stack.url, "GET", `/v1/events${query}`, { headers: { ...bearer(owner), ...headers } }));
    expect(await status("?types=sandbox,robots")).toMatchObject({
      status: 400,
      message: expect.stringContaining("querystring/types/0"),
    });
    expect(await status("?after=17")).toMatchObject({
      status: 400,
      message: expect.stringContaining("querystring/after"),
    });
    expect(await status("", { "last-event-id": "17" })).toMatchObject({
      status: 400,
      message: expect.stringContaining("headers/last-event-id"),
    });
    expect(await status("?since=1")).toMatchObject({ status: 400, message: expect.stringContaining("since") });
  });

  it("ends at once when its caller may no longer look", async () => {
    const owner = await Person.signUp(stack);
    const member = await owner.addMember(await Person.signUp(stack));
    const key = await owner.createApiKey();
    const ofMember = await EventReader.open(stack.url, bearer(member));
    const ofKey = await EventReader.open(stack.url, { "x-api-key": key.key });
    await expectStatus(await owner.call("DELETE", `/v1/teams/${owner.teamId}/members/${member.userId}`), 204);
    await ofMember.ended();
    await expectStatus(await owner.call("DELETE", `/v1/api-keys/${key.id}`), 204);
    await ofKey.ended();
    expect((await send(stack.url, "GET", "/v1/events", { headers: bearer(member) })).status).toBe(403);
    expect((await send(stack.url, "GET", "/v1/events", { headers: { "x-api-key": key.key } })).status).toBe(401);
  });
});
