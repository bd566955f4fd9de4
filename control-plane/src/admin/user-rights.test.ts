import type { Me } from "@warren/contracts/rest/accounts";
import type { AdminUser } from "@warren/contracts/rest/admin";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { testDatabase } from "../database/testing/test-database.ts";
import { operate } from "../testing/operate.ts";
import { expectJson, expectStatus, PASSWORD, Person, send, startAdminStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

describe("what administrators let others do", () => {
  const database = testDatabase();
  let stack: TestStack;
  let admin: Person;
  beforeAll(async () => {
    ({ stack, admin } = await startAdminStack(database()));
  });
  afterAll(() => stack?.close());

  const update = (by: Person, user: Person, changes: object) =>
    by.call("PATCH", `/v1/admin/users/${user.userId}`, changes);
  const isAdmin = async (person: Person) => (await person.call("GET", "/v1/admin/teams")).status === 200;

  it("another user administers the platform, at once, and no longer", async () => {
    const person = await Person.signUp(stack);
    const granted = await expectJson<AdminUser>(await update(admin, person, { is_admin: true }), 200);
    expect(granted).toMatchObject({ user_id: person.userId, is_admin: true });
    expect(await isAdmin(person)).toBe(true);
    await operate(stack, "POST", "/grant", { email: person.email, permission: "users" });
    await expectStatus(await update(admin, person, { is_admin: false }), 200);
    expect(await isAdmin(person)).toBe(false);
    expect((await person.call("GET", "/v1/admin/users")).status).toBe(403);
  });

  it("who is shut out is so on every route and stream at once, and let in again with the same session", async () => {
    const person = await Person.signUp(stack);
    const { id } = await expectJson<{ id: string }>(await person.call("POST", "/v1/sandboxes", {}), 201);
    const headers = { authorization: `Bearer ${person.token}` };
    const socket = new WebSocket(`${stack.url.replace("http", "ws")}/v1/sandboxes/${id}/exec/stream`, { headers });
    const opened = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<number>();
    socket.once("open", opened.resolve).once("error", opened.reject).once("close", closed.resolve);
    await opened.promise;
    const shutOut = await expectJson<AdminUser>(await update(admin, person, { deactivated: true }), 200);
    expect(shutOut.deactivated_at).toEqual(expect.any(String));
    expect(await closed.promise).toBe(1008);
    const open =
      /^(GET \/(health|openapi|docs|metrics)|[A-Z]+ \/v1\/me\/password\/reset|[A-Z]+ \/v1\/hosts\/(register|auth|:id\/heartbeat)|[A-Z]+ \/v1\/auth\/(signup|login|setup|options|oauth)|[A-Z]+ \/(?!v1))/;
    const routes = stack.controlPlane.routes.filter((route) => !route.startsWith("HEAD ") && !open.test(route));
    expect(routes.length).toBeGreaterThan(40);
    for (const route of routes) {
      const [method = "", path = ""] = route.split(" ");
      const concrete = path.replace("/sandboxes/:id", `/sandboxes/${id}`).replace(/:[a-z_]+/g, "x");
      const answer = await person.call(method, concrete);
      expect([route, answer.status, (await errorOf(answer)).code]).toEqual([route, 403, "account_deactivated"]);
    }
    const body = { email: person.email, password: PASSWORD };
    expect(await errorOf(await send(stack.url, "POST", "/v1/auth/login", { body }))).toMatchObject({
      status: 403,
      code: "account_deactivated",
    });
    // Only whoever knows the password is told.
    const wrong = { ...body, password: "wrong password" };
    expect((await send(stack.url, "POST", "/v1/auth/login", { body: wrong })).status).toBe(401);
    const someone = await Person.signUp(stack);
    const search = `/v1/users/search?email=${encodeURIComponent(person.email)}`;
    expect(await someone.get<unknown[]>(search)).toEqual([]);
    const letIn = await expectJson<AdminUser>(await update(admin, person, { deactivated: false }), 200);
    expect(letIn).not.toHaveProperty("deactivated_at");
    expect((await person.get<Me>("/v1/me")).email).toBe(person.email);
    expect(await someone.get<unknown[]>(search)).toHaveLength(1);
  });

  it("an administrator who is shut out administers nothing", async () => {
    const person = await Person.signUp(stack);
    await expectStatus(await update(admin, person, { is_admin: true }), 200);
    await expectStatus(await update(admin, person, { deactivated: true }), 200);
    expect(await errorOf(await update(person, admin, { is_admin: false }))).toMatchObject({
      status: 403,
      code: "account_deactivated",
    });
    await operate(stack, "POST", "/activate", { email: person.email });
    expect(await isAdmin(person)).toBe(true);
    await operate(stack, "POST", "/deactivate", { email: person.email });
    expect(await isAdmin(person)).toBe(false);
  });

  it("whoever may see users shuts out those without rights, and makes nobody an administrator", async () => {
    const helper = await Person.signUp(stack);
    await operate(stack, "POST", "/grant", { email: helper.email, permission: "users" });
    const [person, other] = [await Person.signUp(stack), await Person.signUp(stack)];
    await operate(stack, "POST", "/grant", { email: other.email, permission: "teams" });
    await expectStatus(await update(helper, person, { deactivated: true }), 200);
    for (const [user, changes] of [
      [person, { is_admin: true }],
      [person, { is_admin: false, deactivated: false }],
      [admin, { deactivated: true }],
      [other, { deactivated: true }],
    ] as [Person, object][]) {
      expect(await errorOf(await update(helper, user, changes))).toMatchObject({ status: 403, code: "forbidden" });
    }
    expect((await person.call("GET", "/v1/me")).status).toBe(403);
    expect((await update(other, person, { deactivated: false })).status).toBe(403);
  });

  it("nobody changes their own rights, and of two who end each other's one stays", async () => {
    expect(await errorOf(await update(admin, admin, { is_admin: false }))).toMatchObject({ code: "conflict" });
    expect(await errorOf(await update(admin, admin, { deactivated: true }))).toMatchObject({ code: "conflict" });
    for (let round = 0; round < 5; round++) {
      const pair = [await Person.signUp(stack), await Person.signUp(stack)] as const;
      for (const person of pair) await expectStatus(await update(admin, person, { is_admin: true }), 200);
      await Promise.all([
        update(pair[0], pair[1], { is_admin: false }),
        update(pair[1], pair[0], round % 2 === 0 ? { is_admin: false } : { deactivated: true }),
      ]);
      expect((await Promise.all(pair.map(isAdmin))).filter(Boolean)).toHaveLength(1);
    }
  });

  it.each([
    ["nothing", {}, "body"],
    ["a word", { is_admin: "yes" }, "body/is_admin"],
    ["an unknown field", { email: "x@example.org" }, "email"],
  ])("refuses %s", async (_what, changes, field) => {
    const person = await Person.signUp(stack);
    const refused = await errorOf(await update(admin, person, changes));
    expect(refused).toMatchObject({ status: 400, code: "invalid_request" });
    expect(refused.message).toContain(field);
    expect((await admin.call("PATCH", `/v1/admin/users/usr-${"0".repeat(25)}`, { deactivated: true })).status).toBe(
      404,
    );
  });
});
