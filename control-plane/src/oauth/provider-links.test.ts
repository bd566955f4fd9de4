import type { Me } from "@warren/contracts/rest/accounts";
import type { LinkedProvider } from "@warren/contracts/rest/providers";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { operate } from "../testing/operate.ts";
import { expectJson, expectStatus, PASSWORD, Person, send, startAccountStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";
import { Browser } from "./testing/browser.ts";
import { GITHUB_CLIENT, GitHubDouble, newAccount } from "./testing/github-double.ts";

const PUBLIC_URL = "https://warren.example";
const SESSION_COOKIE = "__Host-warren_session";

describe("an account's providers", () => {
  const database = testDatabase();
  let github: GitHubDouble;
  let stack: TestStack;
  let client: pg.Client;
  beforeAll(async () => {
    github = await GitHubDouble.start();
    github.redirectUri = `${PUBLIC_URL}/v1/auth/oauth/github/callback`;
    stack = await startAccountStack(database(), {
      config: { publicUrl: PUBLIC_URL, oauth: { github: { ...GITHUB_CLIENT, baseUrl: github.url } } },
    });
    client = new pg.Client({ connectionString: database().config.databaseUrl });
    await client.connect();
  });
  beforeEach(() => {
    github.account = newAccount();
    github.consents = true;
  });
  afterAll(async () => {
    await client?.end();
    await stack?.close();
    await github?.close();
  });

  const newBrowser = () =>
    new Browser(
      new Map([[PUBLIC_URL, stack.url]]),
      ({ origin, pathname }) => origin === PUBLIC_URL && !pathname.startsWith("/v1/"),
    );
  /** A browser that is signed in to an account. */
  async function browserOf(person: Person): Promise<Browser> {
    const browser = newBrowser();
    await browser.jar.setCookie(`${SESSION_COOKIE}=${person.token}; Path=/; Secure; HttpOnly`, PUBLIC_URL);
    return browser;
  }
  const ownOrigin = { origin: PUBLIC_URL, "content-type": "application/json" };
  const connect = (
    browser: Browser,
    body: object = { password: PASSWORD },
    headers: Record<string, string> = ownOrigin,
  ) => browser.call("POST", `${PUBLIC_URL}/v1/me/providers/github/connect`, headers, JSON.stringify(body));
  async function link(browser: Browser) {
    const { url } = await expectJson<{ url: string }>(await connect(browser), 200);
    const page = await browser.open(url);
    return `${page.url.pathname}${page.url.search}`;
  }
  const providersOf = (person: Person) => person.get<LinkedProvider[]>("/v1/me/providers");
  const unlink = (person: Person) => person.call("DELETE", "/v1/me/providers/github");

  it("are linked by a browser that comes back from the provider, and work as a sign-in", async () => {
    const person = await Person.signUp(stack);
    const offered = { name: "github", label: "GitHub", available: true };
    expect(await providersOf(person)).toEqual([{ ...offered, linked: false }]);
    const browser = await browserOf(person);
    expect(await link(browser)).toBe("/dashboard/account?linked=github");
    expect(await providersOf(person)).toEqual([
      { ...offered, linked: true, email: github.account.email, linked_at: expect.any(String) },
    ]);
    // The same session goes on; the state's cookie is gone.
    expect((await browser.jar.getCookies(PUBLIC_URL)).map(({ key, value }) => [key, value])).toEqual([
      [SESSION_COOKIE, person.token],
    ]);
    const other = newBrowser();
    await other.open(`${PUBLIC_URL}/v1/auth/oauth/github`);
    const me = await expectJson<Me>(await other.call("GET", `${PUBLIC_URL}/v1/me`), 200);
    expect(me).toMatchObject({ user_id: person.userId, email: person.email, providers: ["github"] });
    // A link is no word of the provider about the account's own address.
    expect(me.email_verified).toBe(false);
    expect(await link(browser)).toBe("/dashboard/account?linked=github&error=already_linked");
  });

  it("join no accounts: an identity is one account's, and an address that is the same says nothing", async () => {
    const [first, second] = [await Person.signUp(stack), await Person.signUp(stack)];
    expect(await link(await browserOf(first))).toBe("/dashboard/account?linked=github");
    expect(await link(await browserOf(second))).toBe("/dashboard/account?linked=github&error=identity_taken");
    expect(await providersOf(second)).toMatchObject([{ linked: false }]);
    // Somebody at the provider has the address of an account here.
    github.account = newAccount({ email: second.email });
    const page = await newBrowser().open(`${PUBLIC_URL}/v1/auth/oauth/github`);
    expect(page.url.search).toBe("?error=email_taken");
    expect(await providersOf(second)).toMatchObject([{ linked: false }]);
  });

  it("are linked to the account of the session that began it alone, once, in the browser that began it", async () => {
    const [person, victim] = [await Person.signUp(stack), await Person.signUp(stack)];
    const attacker = await browserOf(person);
    const { url } = await expectJson<{ url: string }>(await connect(attacker), 200);
    // Another browser, without the cookie of the state, gets nothing linked by the address.
    const page = await (await browserOf(victim)).open(url);
    expect(page.url.search).toBe("?error=invalid_state");
    expect(await providersOf(victim)).toMatchObject([{ linked: false }]);
    // The browser changes its account meanwhile: what was begun stays of the session that began it.
    await attacker.jar.setCookie(`${SESSION_COOKIE}=${victim.token}; Path=/; Secure; HttpOnly`, PUBLIC_URL);
    await attacker.open(url);
    expect([await providersOf(person), await providersOf(victim)]).toMatchObject([
      [{ linked: true }],
      [{ linked: false }],
    ]);
  });

  it("are not linked by a cookie that was changed", async () => {
    const [person, victim] = [await Person.signUp(stack), await Person.signUp(stack)];
    const browser = await browserOf(person);
    const { url } = await expectJson<{ url: string }>(await connect(browser), 200);
    const [state] = (await browser.jar.getCookies(PUBLIC_URL)).filter(({ key }) => key.includes("oauth_state"));
    const { rows } = await client.query("select id from user_sessions where user_id = $1", [
      fromWireId("usr", victim.userId),
    ]);
    for (const sessionId of [rows[0].id as string, ""]) {
      const forged = [...decodeURIComponent(state!.value).split(":").slice(0, 4), sessionId].join(":");
      const copy = await browser.clone();
      await copy.jar.setCookie(`${state!.key}=${encodeURIComponent(forged)}; Path=/; Secure; HttpOnly`, PUBLIC_URL);
      expect((await copy.open(url)).url.search).toContain("error=invalid_state");
    }
    expect(await providersOf(victim)).toMatchObject([{ linked: false }]);
  });

  it("are not linked once the session has ended or the user is shut out, nor when the user declines", async () => {
    const ended = await Person.signUp(stack);
    const browser = await browserOf(ended);
    const { url } = await expectJson<{ url: string }>(await connect(browser), 200);
    await expectStatus(await ended.call("POST", "/v1/auth/logout"), 204);
    expect((await browser.open(url)).url.search).toBe("?linked=github&error=session_ended");
    const person = await Person.signUp(stack);
    const begun = await expectJson<{ url: string }>(await connect(await browserOf(person)), 200);
    expect(begun.url).toContain(new URL(github.url).host);
    const shutOut = await browserOf(person);
    const second = await expectJson<{ url: string }>(await connect(shutOut), 200);
    await operate(stack, "POST", "/deactivate", { email: person.email });
    expect((await shutOut.open(second.url)).url.search).toBe("?linked=github&error=session_ended");
    github.consents = false;
    const declining = await Person.signUp(stack);
    expect(await link(await browserOf(declining))).toBe("/dashboard/account?linked=github&error=access_denied");
  });

  it("are not begun by other sites, keys, or whoever does not show the password", async () => {
    const person = await Person.signUp(stack);
    const browser = await browserOf(person);
    const foreign = { ...ownOrigin, origin: "https://evil.test" };
    expect((await connect(browser, { password: PASSWORD }, foreign)).status).toBe(403);
    expect((await browser.call("GET", `${PUBLIC_URL}/v1/me/providers/github/connect`)).status).toBe(405);
    expect(await errorOf(await connect(browser, {}))).toMatchObject({ status: 403, code: "forbidden" });
    expect(await errorOf(await connect(browser, { password: "guess" }))).toMatchObject({ code: "forbidden" });
    expect(await errorOf(await connect(browser, { password: 1 }))).toMatchObject({ status: 400 });
    const { key } = await person.createApiKey();
    const headers = { "x-api-key": key };
    const body = { password: PASSWORD };
    const path = "/v1/me/providers/github/connect";
    expect((await send(stack.url, "POST", path, { body, headers })).status).toBe(403);
    expect(await errorOf(await person.call("POST", "/v1/me/providers/gitlab/connect", body))).toMatchObject({
      status: 404,
      code: "provider_not_found",
    });
  });

  it("are unlinked, but for the last way to sign in", async () => {
    const browser = newBrowser();
    await browser.open(`${PUBLIC_URL}/v1/auth/oauth/github`);
    const [cookie] = await browser.jar.getCookies(PUBLIC_URL);
    const me = await expectJson<Me>(await browser.call("GET", `${PUBLIC_URL}/v1/me`), 200);
    const session = { token: cookie!.value, user_id: me.user_id, email: me.email } as Person["session"];
    const person = new Person(stack.url, session);
    expect(await errorOf(await unlink(person))).toMatchObject({ status: 409, code: "last_login_method" });
    expect(await providersOf(person)).toMatchObject([{ linked: true }]);
    // A password is another way; setting the first one takes a session of the last minutes.
    const id = fromWireId("usr", me.user_id);
    const setPassword = () => person.call("POST", "/v1/me/password", { new_password: PASSWORD });
    await client.query("update user_sessions set created_at = now() - interval '11 minutes' where user_id = $1", [id]);
    expect(await errorOf(await setPassword())).toMatchObject({ status: 403, code: "recent_login_required" });
    await client.query("update user_sessions set created_at = now() where user_id = $1", [id]);
    await expectStatus(await setPassword(), 204);
    await expectStatus(await unlink(person), 204);
    expect(await providersOf(person)).toMatchObject([{ linked: false }]);
    expect(await errorOf(await unlink(person))).toMatchObject({ status: 404, code: "not_found" });
    expect((await Person.logIn(stack, me.email)).userId).toBe(me.user_id);
    // The identity is free for whoever has it.
    expect(await link(await browserOf(await Person.signUp(stack)))).toBe("/dashboard/account?linked=github");
  });

  it("that this server no longer offers are no way to sign in", async () => {
    const person = await Person.signUp(stack);
    const id = fromWireId("usr", person.userId);
    await client.query(
      "insert into oauth_providers (provider, provider_id, user_id, email) values ('former', $1, $2, 'x@example.org')",
      [id, id],
    );
    expect(await link(await browserOf(person))).toBe("/dashboard/account?linked=github");
    expect(await providersOf(person)).toMatchObject([
      { name: "github", available: true, linked: true },
      { name: "former", label: "former", available: false, linked: true },
    ]);
    await client.query("update users set password_hash = null where id = $1", [id]);
    expect(await errorOf(await unlink(person))).toMatchObject({ code: "last_login_method" });
    await expectStatus(await person.call("DELETE", "/v1/me/providers/former"), 204);
  });
});
