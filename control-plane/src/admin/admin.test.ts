import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { AuthResponse, Me } from "@warren/contracts/rest/accounts";
import { type AdminUser, OPERATOR_SOCKET } from "@warren/contracts/rest/admin";
import type { AdminTeamPage } from "@warren/contracts/rest/admin-lists";
import type { TeamQuota } from "@warren/contracts/rest/quotas";
import type { Team } from "@warren/contracts/rest/teams";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, testDatabase } from "../database/testing/test-database.ts";
import { operate } from "../testing/operate.ts";
import { expectStatus, newEmail, PASSWORD, Person, send, startAccountStack } from "../testing/person.ts";
import type { TestStack } from "../testing/test-stack.ts";

describe("admin", () => {
  const database = testDatabase();
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startAccountStack(database(), { config: { jwtSecrets: [] } });
  });
  afterAll(() => stack?.close());

  it("an account is never an administrator by signing up first", async () => {
    const first = await Person.signUp(stack);
    expect(first.session.is_admin).toBe(false);
    expect((await first.call("GET", "/v1/admin/teams")).status).toBe(403);
  });

  it("only the server's user can open the operator's socket", async () => {
    const { mode } = await stat(join(stack.config.dataDir, OPERATOR_SOCKET));
    expect((mode & 0o777).toString(8)).toBe("600");
  });

  it("the first account that the operator makes owns what the server's own key has made", async () => {
    const created = await stack.call("POST", "/v1/sandboxes", {});
    const { id } = (await created.json()) as { id: string };
    const email = newEmail();
    const account = { email, name: "First", password: PASSWORD };
    expect((await operate(stack, "POST", "/admins", account)).status).toBe(204);
    const admin = await Person.logIn(stack, email);
    expect(admin.session).toMatchObject({ is_admin: true, role: "owner" });
    expect((await admin.get<Me>("/v1/me")).team?.name).toBe("Default");
    expect((await admin.call("GET", `/v1/sandboxes/${id}`)).status).toBe(200);
    expect((await admin.get<Team[]>("/v1/teams")).map(({ name, role }) => [name, role]).sort()).toEqual([
      ["Default", "owner"],
      ["First's Team", "owner"],
    ]);
    expect(await operate(stack, "POST", "/admins", account)).toMatchObject({
      status: 409,
      body: { error: { code: "email_taken" } },
    });
    const second = newEmail();
    await operate(stack, "POST", "/admins", { email: second, name: "Second", password: PASSWORD });
    expect(await (await Person.logIn(stack, second)).get<Team[]>("/v1/teams")).toHaveLength(1);
  });

  it("an administrator is made and unmade at once, sessions included", async () => {
    const person = await Person.signUp(stack);
    const users = () => person.call("GET", "/v1/admin/users");
    expect((await users()).status).toBe(403);
    expect((await operate(stack, "POST", "/grant", { email: person.email.toUpperCase() })).status).toBe(204);
    expect((await users()).status).toBe(200);
    expect((await person.get<Me>("/v1/me")).is_admin).toBe(true);
    expect((await operate(stack, "POST", "/revoke", { email: person.email })).status).toBe(204);
    expect((await users()).status).toBe(403);
    expect((await operate(stack, "POST", "/grant", { email: newEmail() })).status).toBe(404);
    expect((await operate(stack, "POST", "/grant", { email: person.email, permission: "all" })).status).toBe(400);
  });

  it("one right is given without the others", async () => {
    const person = await Person.signUp(stack);
    await operate(stack, "POST", "/grant", { email: person.email, permission: "teams" });
    await operate(stack, "POST", "/grant", { email: person.email, permission: "teams" });
    const teams = await person.get<AdminTeamPage>("/v1/admin/teams");
    expect(teams.items.find(({ id }) => id === person.teamId)).toMatchObject({ owner_email: person.email, members: 1 });
    expect((await person.call("GET", "/v1/admin/users")).status).toBe(403);
    const list = (await operate(stack, "GET", "/users")).body as AdminUser[];
    expect(list.find(({ email }) => email === person.email)).toMatchObject({ is_admin: false, permissions: ["teams"] });
    await operate(stack, "POST", "/revoke", { email: person.email, permission: "teams" });
    expect((await person.call("GET", "/v1/admin/teams")).status).toBe(403);
  });

  it("whoever no longer administers the platform has no single right either", async () => {
    const person = await Person.signUp(stack);
    await operate(stack, "POST", "/grant", { email: person.email, permission: "teams" });
    await operate(stack, "POST", "/revoke", { email: person.email });
    expect((await person.call("GET", "/v1/admin/teams")).status).toBe(403);
    const list = (await operate(stack, "GET", "/users")).body as AdminUser[];
    expect(list.find(({ email }) => email === person.email)).toMatchObject({ is_admin: false, permissions: [] });
  });

  it("a single right is not taken from whoever has all of them, which would change nothing", async () => {
    const person = await Person.signUp(stack);
    await operate(stack, "POST", "/grant", { email: person.email });
    expect(await operate(stack, "POST", "/revoke", { email: person.email, permission: "teams" })).toMatchObject({
      status: 409,
      body: { error: { code: "conflict" } },
    });
    expect((await person.call("GET", "/v1/admin/teams")).status).toBe(200);
  });

  it("the operator gives a new password, which ends all sessions", async () => {
    const person = await Person.signUp(stack);
    expect((await person.call("GET", "/v1/me")).status).toBe(200);
    const answer = await operate(stack, "POST", "/password", {
      email: person.email,
      password: "given by the operator",
    });
    expect(answer.status).toBe(204);
    expect((await person.call("GET", "/v1/me")).status).toBe(401);
    await Person.logIn(stack, person.email, "given by the operator");
    expect((await operate(stack, "POST", "/password", { email: person.email, password: "short" })).status).toBe(400);
  });

  it("teams bring their own hosts, and have quotas, by their slugs", async () => {
    const person = await Person.signUp(stack);
    const [team] = await person.get<Team[]>("/v1/teams");
    const path = `/teams/${team!.slug}`;
    expect((await operate(stack, "PUT", `${path}/byoc`, { is_byoc: true })).status).toBe(204);
    expect((await person.get<Team[]>("/v1/teams"))[0]!.is_byoc).toBe(true);
    const { body } = await operate(stack, "PUT", `${path}/quota`, { sandboxes: 7 });
    expect((body as TeamQuota).limits.sandboxes).toBe(7);
    expect((await operate(stack, "GET", `${path}/quota`)).body).toEqual(body);
    expect((await operate(stack, "PUT", "/teams/000000-000000/byoc", { is_byoc: true })).status).toBe(404);
    await expectStatus(await person.call("DELETE", `/v1/teams/${person.teamId}`), 204);
    expect((await operate(stack, "GET", `${path}/quota`)).status).toBe(404);
  });

  it("a new signing key leaves sessions alone, unless the keys before are revoked", async () => {
    const person = await Person.signUp(stack);
    expect((await operate(stack, "POST", "/signing-keys", { revoke: false })).status).toBe(204);
    expect((await person.call("GET", "/v1/me")).status).toBe(200);
    const after = await Person.logIn(stack, person.email);
    expect(kidOf(after.session)).not.toBe(kidOf(person.session));
    expect((await after.call("GET", "/v1/me")).status).toBe(200);
    expect((await operate(stack, "POST", "/signing-keys", { revoke: true })).status).toBe(204);
    for (const { token } of [person, after]) {
      const headers = { authorization: `Bearer ${token}` };
      expect((await send(stack.url, "GET", "/v1/me", { headers })).status).toBe(401);
    }
  });

  it("is found again after a restart", async () => {
    const person = await Person.signUp(stack);
    await stack.close();
    stack = await startAccountStack(database(), { config: { jwtSecrets: [] } });
    const again = new Person(stack.url, person.session);
    expect((await again.call("GET", "/v1/me")).status).toBe(200);
    expect((await operate(stack, "GET", "/teams")).status).toBe(200);
  });

  describe("the administrator of the settings", () => {
    const firstAdmin = { email: "root@example.org", password: "the password of the settings" };

    it("is made while there is none, and is nobody who came before with that address", async () => {
      const other = await createDatabase();
      try {
        let next = await startAccountStack(other);
        const squatter = await Person.signUp(next, { email: firstAdmin.email });
        await next.close();
        await expect(startAccountStack(other, { config: { firstAdmin } })).rejects.toThrow("has another password");
        const own = { ...firstAdmin, email: "other-root@example.org" };
        next = await startAccountStack(other, { config: { firstAdmin: own } });
        expect((await Person.logIn(next, own.email, own.password)).session.is_admin).toBe(true);
        expect((await Person.logIn(next, squatter.email)).session.is_admin).toBe(false);
        await next.close();
        // With an administrator there, the setting says nothing more.
        next = await startAccountStack(other, { config: { firstAdmin } });
        await next.close();
      } finally {
        await other.remove();
      }
    });
  });
});

function kidOf(session: AuthResponse): string {
  return JSON.parse(Buffer.from(session.token!.split(".")[0]!, "base64url").toString()).kid;
}
