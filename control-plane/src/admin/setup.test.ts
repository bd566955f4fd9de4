import { join } from "node:path";
import type { AuthResponse, Me, SignInOptions } from "@warren/contracts/rest/accounts";
import type { SetupLink } from "@warren/contracts/rest/admin";
import type { Team } from "@warren/contracts/rest/teams";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startControlPlane } from "../control-plane.ts";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { LogLines } from "../testing/log-lines.ts";
import { operate } from "../testing/operate.ts";
import { expectJson, newEmail, PASSWORD, Person, send, startAccountStack } from "../testing/person.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

describe("the link to the first account", () => {
  let database: TestDatabase;
  let stack: TestStack;
  const log = new LogLines();
  beforeEach(async () => {
    database = await createDatabase();
    stack = await startAccountStack(database, { log: createLogger("trace", log) });
  });
  afterEach(async () => {
    await stack?.close();
    await database?.remove();
  });

  const newLink = async () => (await operate(stack, "POST", "/setup-link")).body as SetupLink;
  const newToken = async () => new URL((await newLink()).url).hash.slice("#token=".length);
  const setUp = (token: string, changes: object = {}, url = stack.url) =>
    send(url, "POST", "/v1/auth/setup", {
      body: { token, email: newEmail(), password: PASSWORD, name: "First", ...changes },
    });
  const isDue = async () =>
    (await expectJson<SignInOptions>(await send(stack.url, "GET", "/v1/auth/options"), 200)).setup;
  async function query(text: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: database.config.databaseUrl });
    await client.connect();
    try {
      return (await client.query(text)).rows as Record<string, unknown>[];
    } finally {
      await client.end();
    }
  }

  it("makes one administrator, who owns what the server's key has made, and no second one", async () => {
    const { id } = await stack.createSandbox();
    expect(await isDue()).toBe(true);
    const token = await newToken();
    const first = new Person(stack.url, await expectJson<AuthResponse>(await setUp(token), 201));
    expect(first.session).toMatchObject({ is_admin: true, role: "owner" });
    expect((await first.get<Me>("/v1/me")).team?.name).toBe("Default");
    expect((await first.get<Team[]>("/v1/teams")).find(({ name }) => name === "Default")?.role).toBe("owner");
    expect((await first.call("GET", `/v1/sandboxes/${id}`)).status).toBe(200);
    expect((await first.call("GET", "/v1/admin/users")).status).toBe(200);
    expect(await isDue()).toBe(false);
    expect(await errorOf(await setUp(token))).toMatchObject({ status: 410, code: "link_invalid" });
    expect(await operate(stack, "POST", "/setup-link")).toMatchObject({
      status: 409,
      body: { error: { code: "conflict" } },
    });
  });

  it("is of the dashboard's public address, whatever the request names, and works for a day", async () => {
    await stack.close();
    stack = await startAccountStack(database, { config: { publicUrl: "https://warren.test/cloud" } });
    const { url, expires_at } = await newLink();
    expect(url).toMatch(/^https:\/\/warren\.test\/cloud\/setup#token=[\w-]{43}$/);
    expect(Math.abs(Date.parse(expires_at) - Date.now() - 24 * 3600_000)).toBeLessThan(60_000);
  });

  it("outlasts whoever signs up first, who becomes no administrator", async () => {
    const token = await newToken();
    const stranger = await Person.signUp(stack);
    expect(stranger.session.is_admin).toBe(false);
    expect(await errorOf(await setUp(token, { email: stranger.email }))).toMatchObject({ code: "email_taken" });
    expect((await stranger.call("POST", "/v1/auth/setup", { token: "x".repeat(43) })).status).toBe(400);
    const first = await expectJson<AuthResponse>(await setUp(token), 201);
    expect(first.is_admin).toBe(true);
    expect((await stranger.get<Me>("/v1/me")).is_admin).toBe(false);
  });

  it("makes one account of many attempts at the same moment at two control planes", async () => {
    const { dataDir } = stack.config;
    const config = { ...stack.config, dataDir: join(dataDir, "second"), secretKeyFile: join(dataDir, "secret.key") };
    const second = await startControlPlane(config, createLogger("silent"));
    try {
      const token = await newToken();
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, i) => setUp(token, {}, i % 2 === 0 ? stack.url : second.url)),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(410)]);
      expect(await query("select email from users")).toHaveLength(1);
    } finally {
      await second.close();
    }
  });

  it("is replaced by a newer one, also after a restart, and ends by its time", async () => {
    const old = await newToken();
    await stack.close();
    stack = await startAccountStack(database);
    const token = await newToken();
    expect((await setUp(old)).status).toBe(410);
    await query("update setup_link set expires_at = now() - interval '1 second'");
    expect((await setUp(token)).status).toBe(410);
    expect((await setUp(await newToken())).status).toBe(201);
  });

  it("ends when the operator makes the first administrator otherwise, for good", async () => {
    const person = await Person.signUp(stack);
    const token = await newToken();
    await operate(stack, "POST", "/grant", { email: person.email });
    expect((await setUp(token)).status).toBe(410);
    await operate(stack, "POST", "/revoke", { email: person.email });
    expect((await setUp(token)).status).toBe(410);
  });

  it("is neither in the database nor in the log", async () => {
    const token = await newToken();
    expect((await setUp(token, { email: "not an address" })).status).toBe(400);
    expect(JSON.stringify(await query("select * from setup_link"))).not.toContain(token);
    expect((await setUp(token)).status).toBe(201);
    expect(JSON.stringify(log.lines)).toContain("/v1/auth/setup");
    expect(JSON.stringify(log.lines)).not.toContain(token);
    expect(JSON.stringify(log.lines)).toContain("warren admin link");
  });

  it.each([
    ["a token of another form", { token: "short" }, "body/token"],
    ["no address", { email: "nobody" }, "body/email"],
    ["a short password", { password: "short" }, "body/password"],
    ["a name of blanks", { name: "  " }, "body/name"],
    ["a field that is unknown", { is_admin: true }, "is_admin"],
  ])("names what is wrong with %s, and stays valid", async (_what, changes, field) => {
    const token = await newToken();
    const refused = await errorOf(await setUp(token, changes));
    expect(refused).toMatchObject({ status: 400, code: "invalid_request" });
    expect(refused.message).toContain(field);
    expect((await setUp(token)).status).toBe(201);
  });

  it("opens the session in a cookie for pages of the server's own origin alone", async () => {
    const token = await newToken();
    const body = { token, email: newEmail(), password: PASSWORD, name: "First", cookie: true };
    const foreign = { origin: "http://evil.test" };
    expect((await send(stack.url, "POST", "/v1/auth/setup", { body, headers: foreign })).status).toBe(403);
    const answer = await send(stack.url, "POST", "/v1/auth/setup", { body, headers: { origin: stack.url } });
    expect(answer.headers.get("set-cookie")).toMatch(/^warren_session=.*HttpOnly/);
    expect(await expectJson<AuthResponse>(answer, 201)).not.toHaveProperty("token");
  });

  it("bounds what one network tries", async () => {
    await stack.close();
    stack = await TestStack.start(database);
    const tries = [];
    for (let i = 0; i < 25; i++) tries.push((await setUp("x".repeat(43))).status);
    expect(tries.slice(0, 20)).toEqual(Array(20).fill(410));
    expect(tries.slice(20)).toContain(429);
  });
});
