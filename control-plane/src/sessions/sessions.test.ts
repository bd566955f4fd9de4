import type { AuthResponse, Me } from "@warren/contracts/rest/accounts";
import type { Member, Team } from "@warren/contracts/rest/teams";
import { decodeJwt, decodeProtectedHeader } from "jose";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { expectJson, expectStatus, newEmail, PASSWORD, Person, send, startAccountStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";
import { untilWaiting } from "../testing/waiting-statements.ts";
import { PasswordHasher } from "../users/passwords.ts";

describe("sessions", () => {
  const database = testDatabase();
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startAccountStack(database());
  });
  afterAll(() => stack?.close());

  const signUp = (body: object) => send(stack.url, "POST", "/v1/auth/signup", { body });
  const logIn = (body: object) => send(stack.url, "POST", "/v1/auth/login", { body });

  describe("sign-up", () => {
    it("makes a user, a team that the user owns, and a session in it", async () => {
      const email = newEmail();
      const response = await signUp({ email: `  ${email.toUpperCase()} `, password: PASSWORD, name: "  Zoë " });
      const session = await expectJson<AuthResponse>(response, 201);
      expect(session).toMatchObject({ email, name: "Zoë", role: "owner", is_admin: false });
      expect(response.headers.getSetCookie()).toEqual([]);
      expect(decodeProtectedHeader(session.token!)).toMatchObject({ alg: "HS256", kid: expect.any(String) });
      expect(decodeJwt(session.token!)).toMatchObject({
        sub: session.user_id,
        team_id: session.team_id,
        role: "owner",
        email,
        name: "Zoë",
        is_admin: false,
        aud: "warren:user",
      });
      const teams = await new Person(stack.url, session).get<Team[]>("/v1/teams");
      expect(teams).toEqual([
        {
          id: session.team_id,
          name: "Zoë's Team",
          slug: expect.stringMatching(/^[0-9a-f]{6}-[0-9a-f]{6}$/),
          is_byoc: false,
          api_keys_by_admins: false,
          audit_exec: true,
          created_at: expect.any(String),
          role: "owner",
        },
      ]);
    });

    it.each([
      ["no address", { email: "nobody" }, "body/email"],
      ["an address with a blank", { email: "a b@example.org" }, "body/email"],
      ["an address of two", { email: "a@b@example.org" }, "body/email"],
      ["a line break in the address", { email: "a\n@example.org" }, "body/email"],
      ["an address of 300 characters", { email: `${"a".repeat(290)}@example.org` }, "body/email"],
      ["a password of 7 characters", { password: "1234567" }, "body/password"],
      ["a password of 73 bytes", { password: `${"é".repeat(36)}x` }, "body/password"],
      ["a blank name", { name: "   " }, "body/name"],
      ["a name of 101 characters", { name: "x".repeat(101) }, "body/name"],
      ["a name with control characters", { name: "a\u0000b" }, "body/name"],
      ["a right that it asks for", { is_admin: true }, "body/is_admin"],
    ])("refuses %s and makes nothing", async (_what, change, field) => {
      const email = newEmail();
      const response = await signUp({ email, password: PASSWORD, name: "Ada", ...change });
      expect(await errorOf(response)).toMatchObject({ status: 400, code: "invalid_request" });
      expect((await errorOf(await signUp({ email, password: PASSWORD, name: "Ada", ...change }))).message).toContain(
        field,
      );
      expect((await logIn({ email, password: PASSWORD })).status).toBe(401);
    });

    it("takes passwords of 8 characters and of 72 bytes", async () => {
      for (const password of ["12345678", "é".repeat(36)]) {
        const email = newEmail();
        await expectStatus(await signUp({ email, password, name: "Ada" }), 201);
        await Person.logIn(stack, email, password);
      }
    });

    it("gives an address to one of those who want it at the same moment", async () => {
      const email = newEmail();
      const responses = await Promise.all(
        ["Ada", "Bob", "Eve", "Ida"].map((name) => signUp({ email, password: `${PASSWORD} ${name}`, name })),
      );
      expect(responses.map((response) => response.status).sort()).toEqual([201, 409, 409, 409]);
      for (const response of responses.filter(({ status }) => status === 409)) {
        expect(await errorOf(response)).toMatchObject({ code: "email_taken" });
      }
      const winner = await expectJson<AuthResponse>(responses.find(({ status }) => status === 201)!, 201);
      const person = await Person.logIn(stack, email, `${PASSWORD} ${winner.name}`);
      expect(person.userId).toBe(winner.user_id);
      expect(await person.get<Team[]>("/v1/teams")).toHaveLength(1);
    });
  });

  describe("log-in", () => {
    it("answers every wrong credential in the same way", async () => {
      const person = await Person.signUp(stack);
      const answers = [];
      for (const body of [
        { email: newEmail(), password: PASSWORD },
        { email: person.email, password: `${PASSWORD}!` },
        { email: "not an address", password: PASSWORD },
        { email: "a\u0000@example.org", password: PASSWORD },
        { email: person.email, password: "x".repeat(1000) },
      ]) {
        answers.push(await errorOf(await logIn(body)));
      }
      expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
      expect(answers[0]).toMatchObject({ status: 401, code: "unauthorized" });
    });

    it("asks for both fields and takes no others", async () => {
      for (const body of [{ email: "a@example.org" }, { password: PASSWORD }, {}, [], "text", null]) {
        expect((await logIn(body as object)).status).toBe(400);
      }
      expect((await logIn({ email: "a@example.org", password: PASSWORD, team: "x" })).status).toBe(400);
    });

    it("does not depend on case, blanks or the way in which accents are encoded", async () => {
      const person = await Person.signUp(stack, { email: `\u00e9-${newEmail()}` });
      await Person.logIn(stack, ` ${person.email.normalize("NFD").toUpperCase()} `);
    });

    it("lets all in who come with one password while its hash is made anew", async () => {
      const person = await Person.signUp(stack);
      const cheap = new PasswordHasher({ cost: { memoryCost: 1024, timeCost: 1, parallelism: 1 } });
      const client = new pg.Client(database().config.databaseUrl);
      await client.connect();
      try {
        const setHash = "update users set password_hash = $1 where id = $2";
        await client.query(setHash, [await cheap.hash(PASSWORD), fromWireId("usr", person.userId)]);
        await client.query("begin");
        await client.query("lock table users in share mode");
        const both = [1, 2].map(() => logIn({ email: person.email, password: PASSWORD }));
        await untilWaiting(client, 2);
        await client.query("commit");
        expect((await Promise.all(both)).map(({ status }) => status)).toEqual([200, 200]);
      } finally {
        await client.end();
      }
    });

    it("goes to the default team, else to the live team that was joined first, else nowhere", async () => {
      const owner = await Person.signUp(stack);
      const person = await Person.signUp(stack);
      const second = await owner.createTeam("Second");
      await second.addMember(person);
      const third = await owner.createTeam("Third");
      await third.addMember(person);
      expect((await Person.logIn(stack, person.email)).teamId).toBe(person.teamId);
      await expectStatus(await person.call("DELETE", `/v1/teams/${person.teamId}`), 204);
      expect((await Person.logIn(stack, person.email)).session).toMatchObject({
        team_id: second.teamId,
        role: "member",
      });
      await expectStatus(await second.call("DELETE", `/v1/teams/${second.teamId}`), 204);
      const inThird = await Person.logIn(stack, person.email);
      expect(inThird.teamId).toBe(third.teamId);
      await expectStatus(await inThird.call("POST", `/v1/teams/${third.teamId}/leave`), 204);
      expect(await errorOf(await logIn({ email: person.email, password: PASSWORD }))).toMatchObject({
        status: 403,
        code: "no_team",
      });
    });
  });

  describe("a session", () => {
    it("describes its user and team", async () => {
      const person = await Person.signUp(stack, { name: "Grace" });
      expect(await person.get<Me>("/v1/me")).toEqual({
        user_id: person.userId,
        email: person.email,
        email_verified: false,
        name: "Grace",
        is_admin: false,
        has_password: true,
        providers: [],
        team: {
          team_id: person.teamId,
          name: "Grace's Team",
          slug: expect.any(String),
          is_byoc: false,
          role: "owner",
        },
      });
    });

    it("acts for the team of its token", async () => {
      const person = await Person.signUp(stack);
      const key = await person.createApiKey();
      const created = await send(stack.url, "POST", "/v1/sandboxes", { body: {}, headers: { "x-api-key": key.key } });
      const { id } = await expectJson<{ id: string }>(created, 201);
      expect((await person.call("GET", `/v1/sandboxes/${id}`)).status).toBe(200);
      const elsewhere = await person.createTeam();
      expect((await elsewhere.call("GET", `/v1/sandboxes/${id}`)).status).toBe(404);
      expect(await elsewhere.get<unknown[]>("/v1/sandboxes")).toEqual([]);
    });

    it("changes team after a look into the database, with the name that is there", async () => {
      const person = await Person.signUp(stack, { name: "Before" });
      const other = await Person.signUp(stack);
      await expectStatus(await person.call("PATCH", "/v1/me", { name: " After " }), 204);
      const switched = await person.createTeam();
      expect(switched.session).toMatchObject({ name: "After", role: "owner" });
      expect(decodeJwt(switched.token)).toMatchObject({ name: "After", team_id: switched.teamId });
      const attempt = (team_id: string) => person.call("POST", "/v1/auth/switch-team", { team_id });
      expect(await errorOf(await attempt(other.teamId))).toMatchObject({ status: 403, code: "forbidden" });
      expect(await errorOf(await attempt(`team-${"0".repeat(25)}`))).toMatchObject({ status: 404, code: "not_found" });
      expect(await errorOf(await attempt("team-1"))).toMatchObject({ status: 400, code: "invalid_request" });
      await expectStatus(await switched.call("DELETE", `/v1/teams/${switched.teamId}`), 204);
      expect(await errorOf(await attempt(switched.teamId))).toMatchObject({ status: 404, code: "not_found" });
    });

    it("ends at once when the user logs out, and no other session does", async () => {
      const person = await Person.signUp(stack);
      const elsewhere = await Person.logIn(stack, person.email);
      const switched = await person.createTeam();
      await expectStatus(await person.call("POST", "/v1/auth/logout"), 204);
      // The token of the same session for another team ends with it.
      for (const ended of [person, switched]) {
        expect(await errorOf(await ended.call("GET", "/v1/me"))).toMatchObject({ status: 401, code: "unauthorized" });
        expect((await ended.call("GET", "/v1/sandboxes")).status).toBe(401);
        expect((await ended.call("POST", "/v1/auth/switch-team", { team_id: person.teamId })).status).toBe(401);
      }
      expect((await elsewhere.call("GET", "/v1/me")).status).toBe(200);
    });

    it("ends everywhere when the user says so", async () => {
      const person = await Person.signUp(stack);
      const elsewhere = await Person.logIn(stack, person.email);
      expect((await elsewhere.call("GET", "/v1/me")).status).toBe(200);
      await expectStatus(await person.call("POST", "/v1/auth/logout-everywhere"), 204);
      for (const session of [person, elsewhere]) expect((await session.call("GET", "/v1/me")).status).toBe(401);
      await Person.logIn(stack, person.email);
    });

    it("survives a change of the password only where it was changed", async () => {
      const person = await Person.signUp(stack);
      const elsewhere = await Person.logIn(stack, person.email);
      const change = (body: object) => person.call("POST", "/v1/me/password", body);
      expect(await errorOf(await change({ new_password: "another password" }))).toMatchObject({ status: 403 });
      expect(
        await errorOf(await change({ current_password: "a guess", new_password: "another password" })),
      ).toMatchObject({ status: 403, code: "forbidden" });
      expect((await elsewhere.call("GET", "/v1/me")).status).toBe(200);
      await expectStatus(await change({ current_password: PASSWORD, new_password: "another password" }), 204);
      expect((await person.call("GET", "/v1/me")).status).toBe(200);
      expect((await elsewhere.call("GET", "/v1/me")).status).toBe(401);
      expect((await logIn({ email: person.email, password: PASSWORD })).status).toBe(401);
      await Person.logIn(stack, person.email, "another password");
    });

    it("shows a new name to the team at once", async () => {
      const person = await Person.signUp(stack, { name: "Old name" });
      await person.get("/v1/me");
      await expectStatus(await person.call("PATCH", "/v1/me", { name: "New name" }), 204);
      expect((await person.get<Me>("/v1/me")).name).toBe("New name");
      const [member] = await person.get<Member[]>(`/v1/teams/${person.teamId}/members`);
      expect(member).toMatchObject({ name: "New name", email: person.email });
    });
  });
});
