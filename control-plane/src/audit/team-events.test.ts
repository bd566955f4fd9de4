import type { AuditLog, AuditPage } from "@warren/contracts/rest/audit";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { eventsOf, query, told } from "../testing/audit-events.ts";
import { ExecSocket } from "../testing/exec-socket.ts";
import { operate } from "../testing/operate.ts";
import {
  ADMIN,
  expectJson,
  expectStatus,
  newEmail,
  PASSWORD,
  Person,
  send,
  startAdminStack,
} from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

describe("events of teams and accounts", () => {
  const database = testDatabase();
  let stack: TestStack;
  let admin: Person;
  beforeAll(async () => {
    ({ stack, admin } = await startAdminStack(database()));
  });
  afterAll(() => stack?.close());

  /** Events about some kinds of resources, the oldest first. */
  const storyOf = async (person: Person, resources: string) =>
    told(await eventsOf(person, `?resource_type=${resources}`));
  const teamOf = async (name = "Ada") => (await Person.signUp(stack, { name })).createTeam("Rabbits");
  /** Events that no member of a team is shown, of the platform or of a team that is gone. */
  const storyIn = async (teamId: string, resource: string) => {
    const { rows } = await query(
      database().config.databaseUrl,
      "select * from audit_logs where team_id = $1 and resource_type = $2 order by created_at desc",
      [teamId, resource],
    );
    return told(rows as AuditLog[]);
  };

  it("tell the life of a team", async () => {
    const ada = await teamOf();
    const path = `/v1/teams/${ada.teamId}`;
    await expectStatus(await ada.call("PATCH", path, { name: "Hares" }), 204);
    await expectStatus(await ada.call("PATCH", path, { api_keys_by_admins: true, audit_exec: false }), 204);
    expect(await storyOf(ada, "team")).toEqual([
      ["team create", "success", "Ada", { name: "Rabbits" }],
      ["team rename", "info", "Ada", { old_name: "Rabbits", new_name: "Hares" }],
      ["team update", "info", "Ada", { api_keys_by_admins: true, audit_exec: false }],
    ]);
    await expectStatus(await ada.call("DELETE", path), 204);
    const after = await storyIn(fromWireId("team", ada.teamId), "team");
    expect(after.at(-1)).toEqual(["team delete", "warning", "Ada", { name: "Hares" }]);
  });

  it("tell who came, who went and who became what", async () => {
    const ada = await teamOf();
    const [bob, eve] = [await Person.signUp(stack, { name: "Bob" }), await Person.signUp(stack, { name: "Eve" })];
    const inTeam = await ada.addMember(bob, "admin");
    const eveInTeam = await ada.addMember(eve);
    const { id: keyId } = await eveInTeam.createApiKey({ name: "eve's" });
    const path = `/v1/teams/${ada.teamId}`;
    await expectStatus(await inTeam.call("DELETE", `${path}/members/${eve.userId}?revoke_api_keys=true`), 204);
    await expectStatus(await ada.call("POST", `${path}/transfer`, { user_id: bob.userId }), 204);
    await expectStatus(await ada.call("POST", `${path}/leave`), 204);
    const events = await eventsOf(inTeam, "?resource_type=member,team,api_key&limit=200");
    expect(told(events)).toEqual([
      ["team create", "success", "Ada", { name: "Rabbits" }],
      ["member add", "success", "Ada", { email: bob.email, role: "member" }],
      ["member role_update", "info", "Ada", { email: bob.email, new_role: "admin" }],
      ["member add", "success", "Ada", { email: eve.email, role: "member" }],
      ["api_key create", "success", "Eve", { name: "eve's", scopes: ["sandboxes", "templates", "read"] }],
      ["member remove", "warning", "Bob", { email: eve.email, revoked_api_keys: true }],
      ["api_key revoke", "warning", "Bob", { name: "eve's" }],
      ["team transfer", "warning", "Ada", { new_owner: bob.userId, email: bob.email }],
      ["member leave", "info", "Ada", { email: ada.email }],
    ]);
    expect(events.find(({ action }) => action === "revoke")).toMatchObject({ resource_id: keyId, scope: "team" });
    expect(events.find(({ action }) => action === "remove")).toMatchObject({ resource_id: eve.userId, scope: "admin" });
  });

  it("tell of keys, and never their secret", async () => {
    const ada = await teamOf();
    const { id, key } = await ada.createApiKey({ name: "ci", scopes: ["read"], expires_at: "2096-01-02T03:04:05Z" });
    await expectStatus(await ada.call("DELETE", `/v1/api-keys/${id}`), 204);
    expect((await ada.call("DELETE", `/v1/api-keys/${id}`)).status).toBe(404);
    expect(await storyOf(ada, "api_key")).toEqual([
      ["api_key create", "success", "Ada", { name: "ci", scopes: ["read"], expires_at: "2096-01-02T03:04:05.000Z" }],
      ["api_key revoke", "warning", "Ada", { name: "ci" }],
    ]);
    expect(JSON.stringify(await eventsOf(ada))).not.toContain(key.split("_")[1]);
  });

  it("tell of templates, made, made anew and deleted", async () => {
    const ada = await teamOf();
    const { id } = await expectJson<Sandbox>(await ada.call("POST", "/v1/sandboxes", {}), 201);
    const make = (query = "") => ada.call("POST", `/v1/snapshots${query}`, { sandbox_id: id, name: "trained" });
    await expectStatus(await make(), 201);
    expect((await make()).status).toBe(409);
    await expectStatus(await make("?overwrite=true"), 201);
    await expectStatus(await ada.call("DELETE", "/v1/snapshots/trained"), 204);
    expect(await storyOf(ada, "snapshot")).toEqual([
      ["snapshot create", "success", "Ada", { sandbox: id, overwrote: false }],
      ["snapshot create", "success", "Ada", { sandbox: id, overwrote: true }],
      ["snapshot delete", "warning", "Ada"],
    ]);
    expect((await eventsOf(ada, "?resource_type=snapshot&resource_id=trained")).length).toBe(3);
  });

  it("tell of limits that were set, and of what they refused", async () => {
    const ada = await teamOf();
    const { key } = await ada.createApiKey({ name: "robot" });
    await expectStatus(await admin.call("PUT", `/v1/admin/teams/${ada.teamId}/quota`, { sandboxes: 1, vcpus: 9 }), 200);
    await expectStatus(await ada.call("POST", "/v1/sandboxes", {}), 201);
    const refused = await send(stack.url, "POST", "/v1/sandboxes", { body: {}, headers: { "x-api-key": key } });
    expect(await errorOf(refused)).toMatchObject({ status: 429, code: "quota_exceeded" });
    const slug = (await ada.get<{ team: { slug: string } }>(`/v1/teams/${ada.teamId}`)).team.slug;
    await operate(stack, "PUT", `/teams/${slug}/quota`, { sandboxes: null });
    await operate(stack, "PUT", `/teams/${slug}/byoc`, { is_byoc: true });
    expect(await storyOf(ada, "quota,team")).toEqual([
      ["team create", "success", "Ada", { name: "Rabbits" }],
      ["quota update", "info", "platform-admin", { sandboxes: 1, vcpus: 9 }],
      ["quota refuse", "warning", "robot", { quota: "sandboxes", used: 1, limit: 1, needed: 1 }],
      ["quota update", "info", "operator", { sandboxes: null }],
      ["team set_byoc", "info", "operator", { is_byoc: true }],
    ]);
  });

  it("tell of sign-up, log-in, log-out and passwords, to the team of the session", async () => {
    const email = newEmail();
    const ada = await Person.signUp(stack, { name: "Ada", email });
    const wrong = { email, password: "not the password" };
    expect((await send(stack.url, "POST", "/v1/auth/login", { body: wrong })).status).toBe(401);
    const other = await Person.logIn(stack, email);
    await expectStatus(await other.call("POST", "/v1/auth/logout"), 204);
    const { id: session } = (await ada.get<{ id: string; current: boolean }[]>("/v1/me/sessions"))[0]!;
    expect(session).toMatch(/^ses-/);
    const change = { current_password: PASSWORD, new_password: "another password of hers" };
    await expectStatus(await ada.call("POST", "/v1/me/password", change), 204);
    await operate(stack, "POST", "/password", { email, password: PASSWORD });
    const again = await Person.logIn(stack, email);
    await expectStatus(await again.call("POST", "/v1/auth/logout-everywhere"), 204);
    const last = await Person.logIn(stack, email);
    const address = expect.any(String);
    const loggedIn = ["user log_in", "info", "Ada", { method: "password", address }];
    expect(await storyOf(last, "user")).toEqual([
      ["user sign_up", "success", "Ada", { email }],
      loggedIn,
      ["user log_in_failed", "warning", "system", { email, address }],
      loggedIn,
      ["user log_out", "info", "Ada"],
      ["user password_change", "success", "Ada"],
      ["user password_reset", "warning", "operator", { email }],
      loggedIn,
      ["user log_out_everywhere", "info", "Ada"],
      loggedIn,
    ]);
    const events = await eventsOf(last, "?limit=200");
    for (const { resource_id, scope } of events) expect([resource_id, scope]).toEqual([ada.userId, "admin"]);
    expect(JSON.stringify(events)).not.toMatch(/password of hers|not the password|correct horse/);
  });

  it("tell the platform of what is about no team: strangers, administrators, shared hosts", async () => {
    const platform = "00000000-0000-0000-0000-000000000000";
    const { email } = await Person.signUp(stack);
    for (const unknown of [newEmail(), "hunter2 typed in the wrong field"]) {
      const answer = await send(stack.url, "POST", "/v1/auth/login", { body: { email: unknown, password: PASSWORD } });
      expect(answer.status).toBe(401);
    }
    await operate(stack, "POST", "/grant", { email, permission: "users" });
    await operate(stack, "POST", "/revoke", { email });
    const story = (await storyIn(platform, "user")).filter((event) => !("team" in (event[3] as object)));
    expect(story[0]).toEqual(["user grant", "warning", "operator", { email: ADMIN.email, right: "all" }]);
    expect(story.slice(1)).toEqual([
      ["user log_in_failed", "warning", "", { email: expect.any(String), address: expect.any(String) }],
      ["user log_in_failed", "warning", "", { address: expect.any(String) }],
      ["user grant", "warning", "operator", { email, right: "users" }],
      ["user revoke", "warning", "operator", { email, right: "all" }],
    ]);
    expect((await storyIn(platform, "host")).at(-1)).toEqual([
      "host register",
      "success",
      "",
      { address: stack.host.address },
    ]);
    const page = await admin.get<AuditPage>("/v1/audit-logs?resource_type=host");
    expect(page.items).toEqual([]);
  });

  it("leave out commands for a team that wants it so, from that moment on", async () => {
    const ada = await teamOf();
    const { id } = await expectJson<Sandbox>(await ada.call("POST", "/v1/sandboxes", {}), 201);
    const exec = async (cmd: string) =>
      expectStatus(await ada.call("POST", `/v1/sandboxes/${id}/exec`, { cmd, args: [] }), 200);
    const commands = async () => (await eventsOf(ada, "?action=exec")).map(({ metadata }) => metadata?.command);
    await exec("true");
    await expectStatus(await ada.call("PATCH", `/v1/teams/${ada.teamId}`, { audit_exec: false }), 204);
    await exec("pwd");
    const { key } = await ada.createApiKey({ name: "joiner" });
    const started = await ada.call("POST", `/v1/sandboxes/${id}/exec`, {
      cmd: "sleep",
      args: ["1000"],
      background: true,
    });
    const { pid } = await expectJson<{ pid: number }>(started, 202);
    const joined = await ExecSocket.open(stack, id, { headers: { "x-api-key": key } });
    joined.send({ type: "attach", process: String(pid) });
    await joined.frame("start");
    expect(await eventsOf(ada, "?action=join_process")).toEqual([]);
    expect(await commands()).toEqual(["true"]);
    await expectStatus(await ada.call("PATCH", `/v1/teams/${ada.teamId}`, { audit_exec: true }), 204);
    await exec("id");
    expect(await commands()).toEqual(["id", "true"]);
  });
});
