import type { AuthResponse } from "@warren/contracts/rest/accounts";
import type { UserSession } from "@warren/contracts/rest/sessions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { expectJson, expectStatus, PASSWORD, Person, send, startAccountStack } from "../testing/person.ts";
import { exchange } from "../testing/raw-http.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

describe("the list of one's own sessions", () => {
  const database = testDatabase();
  const config = { trustedProxies: ["127.0.0.1"] };
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startAccountStack(database(), { config });
  });
  afterAll(() => stack?.close());

  const logIn = async ({ email }: Person, headers: Record<string, string> = {}) => {
    const body = { email, password: PASSWORD };
    const answer = await send(stack.url, "POST", "/v1/auth/login", { body, headers });
    return new Person(stack.url, await expectJson<AuthResponse>(answer, 200));
  };
  const sessionsOf = (person: Person) => person.get<UserSession[]>("/v1/me/sessions");

  it("says of each since when, from where and with what it is used, and which one asks", async () => {
    const person = await Person.signUp(stack);
    const other = await logIn(person, { "user-agent": "Firefox/145", "x-forwarded-for": "2001:db8::7" });
    const sessions = await sessionsOf(person);
    expect(sessions).toHaveLength(2);
    const [own] = sessions.filter(({ current }) => current);
    const [second] = sessions.filter(({ current }) => !current);
    expect(own).toMatchObject({ user_agent: "node", address: "127.0.0.1" });
    expect(second).toMatchObject({ user_agent: "Firefox/145", address: "2001:db8::7" });
    expect(Date.parse(second!.expires_at) - Date.parse(second!.created_at)).toBe(6 * 3600_000);
    expect((await sessionsOf(other)).find(({ current }) => current)?.id).toBe(second!.id);
    expect(await sessionsOf(await Person.signUp(stack))).toHaveLength(1);
  });

  it("notes when each was used last", async () => {
    const person = await Person.signUp(stack);
    const [before] = await sessionsOf(person);
    expect(before!.last_used_at).toBe(before!.created_at);
    // What is not written yet is written at the end.
    await stack.close();
    stack = await startAccountStack(database(), { config });
    const [after] = await sessionsOf(new Person(stack.url, person.session));
    expect(Date.parse(after!.last_used_at)).toBeGreaterThan(Date.parse(after!.created_at));
  });

  it("takes what a client says of itself as text without control characters, of a bounded length", async () => {
    const person = await Person.signUp(stack);
    await logIn(person, { "user-agent": `<b>\u0085x\u00ad${"y".repeat(1000)}` });
    const [other] = (await sessionsOf(person)).filter(({ current }) => !current);
    expect(other?.user_agent).toBe(`<b> x ${"y".repeat(250)}`);
  });

  it("notes nothing of a client that says nothing", async () => {
    const person = await Person.signUp(stack);
    const body = JSON.stringify({ email: person.email, password: PASSWORD });
    const head = `POST /v1/auth/login HTTP/1.1\r\nHost: ${new URL(stack.url).host}\r\nContent-Type: application/json\r\n`;
    const answer = await exchange(
      stack.url,
      `${head}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
    expect(answer.status).toBe(200);
    const [other] = (await sessionsOf(person)).filter(({ current }) => !current);
    expect(other).not.toHaveProperty("user_agent");
  });

  it("shows a hundred", async () => {
    const person = await Person.signUp(stack);
    // One after the other: log-ins at the same moment are held back as guesses.
    for (let i = 0; i < 100; i++) await logIn(person);
    expect(await sessionsOf(person)).toHaveLength(100);
  });

  it("ends another session at once, and one's own", async () => {
    const person = await Person.signUp(stack);
    const other = await logIn(person);
    const { id } = (await sessionsOf(other)).find(({ current }) => current)!;
    expect((await other.call("GET", "/v1/me")).status).toBe(200);
    await expectStatus(await person.call("DELETE", `/v1/me/sessions/${id}`), 204);
    expect((await other.call("GET", "/v1/me")).status).toBe(401);
    expect(await errorOf(await person.call("DELETE", `/v1/me/sessions/${id}`))).toMatchObject({
      status: 404,
      code: "not_found",
    });
    const [own] = await sessionsOf(person);
    const headers = { cookie: `warren_session=${person.token}`, origin: stack.url };
    const answer = await send(stack.url, "DELETE", `/v1/me/sessions/${own!.id}`, { headers });
    expect(answer.status).toBe(204);
    expect(answer.headers.get("set-cookie")).toMatch(/^warren_session=;/);
    expect((await person.call("GET", "/v1/me")).status).toBe(401);
  });

  it("has nobody else's sessions", async () => {
    const [person, stranger] = [await Person.signUp(stack), await Person.signUp(stack)];
    const [session] = await sessionsOf(person);
    expect((await stranger.call("DELETE", `/v1/me/sessions/${session!.id}`)).status).toBe(404);
    expect((await person.call("GET", "/v1/me")).status).toBe(200);
    expect((await person.call("DELETE", "/v1/me/sessions/x")).status).toBe(400);
    expect((await person.call("DELETE", `/v1/me/sessions/ses-${"z".repeat(25)}`)).status).toBe(404);
    const { key } = await person.createApiKey();
    const headers = { "x-api-key": key };
    expect((await send(stack.url, "GET", "/v1/me/sessions", { headers })).status).toBe(403);
  });
});
