import type { DeletionPreview } from "@warren/contracts/rest/account-deletion";
import type { Member, Team } from "@warren/contracts/rest/teams";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { createDatabase, testDatabase } from "../database/testing/test-database.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { expectJson, expectStatus, newEmail, PASSWORD, Person, send, startAccountStack } from "../testing/person.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";
import { untilWaiting } from "../testing/waiting-statements.ts";

describe("the deletion of an account", () => {
  const database = testDatabase();
  let stack: TestStack;
  let client: pg.Client;
  beforeAll(async () => {
    stack = await startAccountStack(database());
    client = new pg.Client({ connectionString: database().config.databaseUrl });
    await client.connect();
  });
  afterAll(async () => {
    await client?.end();
    await stack?.close();
  });

  const preview = (person: Person) => person.get<DeletionPreview>("/v1/me/deletion");
  const remove = (person: Person, body: object = { password: PASSWORD }) => person.call("DELETE", "/v1/me", body);
  const newSandbox = async (person: Person) =>
    (await expectJson<{ id: string }>(await person.call("POST", "/v1/sandboxes", {}), 201)).id;
  const works = async (person: Person) => (await person.call("GET", "/v1/me")).status === 200;

  it("says what becomes of each team, and does that", async () => {
    const person = await Person.signUp(stack);
    const friend = await Person.signUp(stack);
    const shared = await friend.addMember(person, "admin");
    const owned = await person.createTeam("Owned");
    const successor = await owned.addMember(friend);
    const sandbox = await newSandbox(person);
    const paused = await newSandbox(person);
    await expectStatus(await person.call("POST", `/v1/sandboxes/${paused}/pause`), 200);
    await expectStatus(await person.call("POST", "/v1/snapshots", { sandbox_id: sandbox, name: "trained" }), 201);
    const { key } = await person.createApiKey();
    const { key: friendsKey } = await shared.createApiKey();
    const kept = await newSandbox(shared);
    const own = { role: "owner", outcome: "deleted", other_members: 0, sandboxes: 2, templates: 1, api_keys: 1 };
    expect(await preview(person)).toMatchObject({
      possible: false,
      confirm_with: "password",
      teams: [
        { team_id: person.teamId, ...own },
        { team_id: shared.teamId, role: "admin", outcome: "left", other_members: 1, sandboxes: 1 },
        { team_id: owned.teamId, role: "owner", outcome: "blocks", other_members: 1, name: "Owned" },
      ],
    });

    const refused = await errorOf(await remove(person));
    expect(refused).toMatchObject({ status: 409, code: "owns_team_with_members" });
    expect(refused.message).toMatch(/Owned \([0-9a-f]{6}-[0-9a-f]{6}\) first/);
    expect(stack.host.guests.has(sandbox)).toBe(true);
    expect(await works(person)).toBe(true);

    await expectStatus(
      await owned.call("POST", `/v1/teams/${owned.teamId}/transfer`, { user_id: successor.userId }),
      204,
    );
    expect(await preview(person)).toMatchObject({ possible: true });
    await expectStatus(await remove(person), 204);
    expect([await works(person), await works(shared), await works(owned)]).toEqual([false, false, false]);
    expect([...stack.host.guests.keys()]).toEqual([kept]);
    expect(stack.host.templates.size).toBe(0);
    expect((await send(stack.url, "GET", "/v1/sandboxes", { headers: { "x-api-key": key } })).status).toBe(401);
    // A program of another team goes on.
    const headers = { "x-api-key": friendsKey };
    expect((await send(stack.url, "GET", `/v1/sandboxes/${kept}`, { headers })).status).toBe(200);
    const members = await successor.get<Member[]>(`/v1/teams/${owned.teamId}/members`);
    expect(members.map(({ user_id, role }) => [user_id, role])).toEqual([[friend.userId, "owner"]]);
    await expectStatus(await friend.call("DELETE", `/v1/sandboxes/${kept}`), 204);
  });

  it("frees the address for another account, which has nothing of the one before", async () => {
    const person = await Person.signUp(stack);
    await expectStatus(await remove(person), 204);
    const body = { email: person.email, password: PASSWORD };
    expect((await send(stack.url, "POST", "/v1/auth/login", { body })).status).toBe(401);
    const next = await Person.signUp(stack, { email: person.email });
    expect(next.userId).not.toBe(person.userId);
    expect(await next.get<Team[]>("/v1/teams")).toHaveLength(1);
    expect(await works(person)).toBe(false);
  });

  it("ends what the user has open in teams that go on, and the cookie of the browser", async () => {
    const friend = await Person.signUp(stack);
    const person = await friend.addMember(await Person.signUp(stack));
    const id = await newSandbox(friend);
    const cookie = `warren_session=${person.token}`;
    const socket = new WebSocket(`${stack.url.replace("http", "ws")}/v1/sandboxes/${id}/exec/stream`, {
      headers: { cookie, origin: stack.url },
    });
    const opened = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<number>();
    socket.once("open", opened.resolve).once("error", opened.reject).once("close", closed.resolve);
    await opened.promise;
    const body = { password: PASSWORD };
    expect((await send(stack.url, "DELETE", "/v1/me", { body, headers: { cookie } })).status).toBe(403);
    const foreign = { cookie, origin: "http://evil.test" };
    expect((await send(stack.url, "DELETE", "/v1/me", { body, headers: foreign })).status).toBe(403);
    const answer = await send(stack.url, "DELETE", "/v1/me", { body, headers: { cookie, origin: stack.url } });
    expect(answer.status).toBe(204);
    expect(answer.headers.get("set-cookie")).toMatch(/^warren_session=;/);
    expect(await closed.promise).toBe(1008);
    await expectStatus(await friend.call("DELETE", `/v1/sandboxes/${id}`), 204);
  });

  it.each([
    ["no password", {}, 403, "forbidden", "body/password is required"],
    ["another password", { password: "wrong password" }, 403, "forbidden", "body/password is not the password"],
    ["a password of another type", { password: 1 }, 400, "invalid_request", "body/password"],
    ["an unknown field", { force: true }, 400, "invalid_request", "force"],
  ])("takes %s for no confirmation", async (_what, body, status, code, message) => {
    const person = await Person.signUp(stack);
    const refused = await errorOf(await remove(person, body));
    expect(refused).toMatchObject({ status, code });
    expect(refused.message).toContain(message);
    expect(await works(person)).toBe(true);
  });

  it("takes a log-in of the last ten minutes where there is no password", async () => {
    const person = await Person.signUp(stack);
    const id = fromWireId("usr", person.userId);
    await client.query("update users set password_hash = null where id = $1", [id]);
    await client.query("update user_sessions set created_at = now() - interval '11 minutes' where user_id = $1", [id]);
    expect(await preview(person)).toMatchObject({ confirm_with: "recent_login" });
    expect(await errorOf(await remove(person, {}))).toMatchObject({ status: 403, code: "recent_login_required" });
    await client.query("update user_sessions set created_at = now() - interval '9 minutes' where user_id = $1", [id]);
    await expectStatus(await remove(person, {}), 204);
  });

  it("is no other way to guess a password than its change", async () => {
    const another = await createDatabase();
    const other = await TestStack.start(another);
    try {
      const person = await Person.signUp(other);
      const change = { current_password: "guess", new_password: PASSWORD };
      const statuses = [];
      for (let i = 0; i < 4; i++) statuses.push((await remove(person, { password: "guess" })).status);
      for (let i = 0; i < 4; i++) statuses.push((await person.call("POST", "/v1/me/password", change)).status);
      expect(statuses.slice(0, 5)).toEqual(Array(5).fill(403));
      expect(statuses.slice(6)).toEqual([429, 429]);
      expect((await remove(person)).status).toBe(429);
    } finally {
      await other.close();
      await another.remove();
    }
  });

  it("happens once, of attempts at the same moment", async () => {
    const person = await Person.signUp(stack);
    const statuses = await Promise.all(Array.from({ length: 4 }, async () => (await remove(person)).status));
    expect(statuses.filter((status) => status === 204)).toHaveLength(1);
    expect(statuses.filter((status) => status !== 204)).toEqual([401, 401, 401]);
  });

  it("waits for whoever makes the user an owner at the same moment, and leaves no team without one", async () => {
    const friend = await Person.signUp(stack);
    const leaver = await Person.signUp(stack);
    const given = await friend.createTeam("Given");
    await given.addMember(leaver);
    const [teamId, friendId, leaverId] = [
      fromWireId("team", given.teamId),
      fromWireId("usr", friend.userId),
      fromWireId("usr", leaver.userId),
    ];
    const setRole = "update users_teams set role = $1 where team_id = $2 and user_id = $3";
    await client.query("begin");
    await client.query("select from teams where id = $1 for no key update", [teamId]);
    await client.query(setRole, ["admin", teamId, friendId]);
    await client.query(setRole, ["owner", teamId, leaverId]);
    const refused = remove(leaver);
    await untilWaiting(client);
    await client.query("commit");
    expect(await errorOf(await refused)).toMatchObject({ status: 409, code: "owns_team_with_members" });
    expect(await works(leaver)).toBe(true);
  });

  it("waits for whoever adds the user to another team at the same moment, and leaves that too", async () => {
    const friend = await Person.signUp(stack);
    const leaver = await Person.signUp(stack);
    await client.query("begin");
    await client.query("select from teams where id = $1 for no key update", [fromWireId("team", friend.teamId)]);
    await client.query("insert into users_teams (team_id, user_id, role) values ($1, $2, 'member')", [
      fromWireId("team", friend.teamId),
      fromWireId("usr", leaver.userId),
    ]);
    const gone = remove(leaver);
    await untilWaiting(client);
    await client.query("commit");
    await expectStatus(await gone, 204);
    const members = await friend.get<Member[]>(`/v1/teams/${friend.teamId}/members`);
    expect(members.map(({ user_id }) => user_id)).toEqual([friend.userId]);
  });

  it("of a user who is gone is not there to be seen", async () => {
    const person = await Person.signUp(stack, { email: newEmail() });
    await expectStatus(await remove(person), 204);
    expect((await person.call("GET", "/v1/me/deletion")).status).toBe(401);
    expect((await remove(person)).status).toBe(401);
  });
});
