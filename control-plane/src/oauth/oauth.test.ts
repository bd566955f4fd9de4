import type { Me, SignInOptions } from "@warren/contracts/rest/accounts";
import type { Member } from "@warren/contracts/rest/teams";
import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { expectJson, expectStatus, newEmail, PASSWORD, Person, send, startAccountStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";
import { untilWaiting } from "../testing/waiting-statements.ts";
import { Browser, type Page } from "./testing/browser.ts";
import { GITHUB_CLIENT, GitHubDouble, json, newAccount } from "./testing/github-double.ts";
import { OIDC_CLIENT, OidcServer } from "./testing/oidc-server.ts";

const PUBLIC_URL = "https://warren.example";
const SESSION_COOKIE = "__Host-warren_session";

describe("oauth", () => {
  const database = testDatabase();
  let github: GitHubDouble;
  let oidc: OidcServer;
  let stack: TestStack;
  beforeAll(async () => {
    // The provider remarks that its settings are for development.
    for (const method of ["warn", "info"] as const) vi.spyOn(console, method).mockReturnValue();
    github = await GitHubDouble.start();
    github.redirectUri = `${PUBLIC_URL}/v1/auth/oauth/github/callback`;
    oidc = await OidcServer.start(`${PUBLIC_URL}/v1/auth/oauth/company/callback`);
    stack = await startAccountStack(database(), {
      config: {
        publicUrl: PUBLIC_URL,
        oauth: {
          github: { ...GITHUB_CLIENT, baseUrl: github.url },
          oidc: { ...OIDC_CLIENT, name: "company", label: "Company", issuer: oidc.url },
        },
      },
    });
  });
  afterEach(() => {
    github.faults.clear();
    github.consents = true;
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    await stack?.close();
    await oidc?.close();
    await github?.close();
  });

  const newBrowser = () =>
    new Browser(
      new Map([[PUBLIC_URL, stack.url]]),
      ({ origin, pathname }) => origin === PUBLIC_URL && pathname.startsWith("/auth/"),
    );
  const signIn = (browser = newBrowser(), provider = "github") =>
    browser.open(`${PUBLIC_URL}/v1/auth/oauth/${provider}`);
  const sessionOf = async (browser: Browser) =>
    (await browser.jar.getCookies(PUBLIC_URL)).find(({ key }) => key === SESSION_COOKIE);
  const me = async (browser: Browser) => expectJson<Me>(await browser.call("GET", `${PUBLIC_URL}/v1/me`), 200);
  const arrived = ({ url }: Page) => `${url.pathname}${url.search}`;
  const hasAccount = async (email: string) => {
    const someone = await Person.signUp(stack);
    const found = await someone.get<unknown[]>(`/v1/users/search?email=${encodeURIComponent(email)}`);
    return found.length > 0;
  };
  const emailOf = () => github.account.email!;

  it("is offered to the dashboard", async () => {
    const options = await expectJson<SignInOptions>(await send(stack.url, "GET", "/v1/auth/options"), 200);
    expect(options).toEqual({
      setup: expect.any(Boolean),
      password_reset: false,
      sign_up: true,
      providers: [
        { name: "github", label: "GitHub" },
        { name: "company", label: "Company" },
      ],
    });
    expect(await errorOf(await send(stack.url, "GET", "/v1/auth/oauth/gitlab"))).toMatchObject({
      status: 404,
      code: "provider_not_found",
    });
    expect(await errorOf(await send(stack.url, "GET", "/v1/auth/oauth/gitlab/callback"))).toMatchObject({
      status: 404,
      code: "provider_not_found",
    });
  });

  describe("through GitHub", () => {
    it("makes an account at the first time, and hands the session over in a cookie that no script reads", async () => {
      github.account = newAccount({ name: "Mona" });
      const browser = newBrowser();
      const page = await signIn(browser);
      expect(arrived(page)).toBe("/auth/github/callback");
      const session = (await sessionOf(browser))!;
      expect(session).toMatchObject({ httpOnly: true, secure: true, sameSite: "lax", path: "/", hostOnly: true });
      for (const url of page.visited) expect(url.href).not.toContain(session.value);
      const cookies = await browser.jar.getCookies(PUBLIC_URL);
      expect(cookies.map(({ key }) => key)).toEqual([SESSION_COOKIE]);
      expect(await me(browser)).toMatchObject({
        email: emailOf(),
        name: "Mona",
        has_password: false,
        providers: ["github"],
        team: { name: "Mona's Team", role: "owner" },
      });
    });

    it("goes back to the same account, whatever address and name the user has by then", async () => {
      github.account = newAccount();
      const email = emailOf();
      const [first, second] = [newBrowser(), newBrowser()];
      await signIn(first);
      github.account = { ...newAccount(), id: github.account.id };
      expect(arrived(await signIn(second))).toBe("/auth/github/callback");
      expect(await me(second)).toMatchObject({ user_id: (await me(first)).user_id, email });
    });

    it("does not let anybody sign in to such an account with a password", async () => {
      github.account = newAccount();
      await signIn();
      for (const password of ["", "null", PASSWORD]) {
        const answer = await send(stack.url, "POST", "/v1/auth/login", { body: { email: emailOf(), password } });
        expect([400, 401]).toContain(answer.status);
      }
    });

    it("lets the user set a password, which works from then on", async () => {
      github.account = newAccount();
      const browser = newBrowser();
      await signIn(browser);
      const token = (await sessionOf(browser))!.value;
      const headers = { authorization: `Bearer ${token}` };
      const body = { new_password: PASSWORD };
      await expectStatus(await send(stack.url, "POST", "/v1/me/password", { body, headers }), 204);
      await Person.logIn(stack, emailOf());
    });

    it("takes the primary verified address when the profile shows none, or one that is not verified", async () => {
      for (const shown of [null, newEmail()]) {
        const primary = newEmail();
        github.account = newAccount({
          email: shown,
          name: null,
          emails: [
            { email: newEmail(), primary: false, verified: true },
            { email: primary, primary: true, verified: true },
            ...(shown === null ? [] : [{ email: shown, primary: false, verified: false }]),
          ],
        });
        const browser = newBrowser();
        await signIn(browser);
        expect(await me(browser)).toMatchObject({ email: primary, name: github.account.login });
      }
    });

    it("refuses accounts without a verified address", async () => {
      const email = newEmail();
      for (const emails of [[], [{ email, primary: true, verified: false }]]) {
        github.account = newAccount({ email, emails });
        expect(arrived(await signIn())).toBe("/auth/github/callback?error=exchange_failed&reason=no_verified_email");
      }
      expect(await hasAccount(email)).toBe(false);
    });

    it("does not open an account that somebody made with the same address and a password", async () => {
      const victim = await Person.signUp(stack);
      github.account = newAccount({ email: victim.email });
      const browser = newBrowser();
      expect(arrived(await signIn(browser))).toBe("/auth/github/callback?error=email_taken");
      expect(await sessionOf(browser)).toBeUndefined();
      expect((await victim.get<Me>("/v1/me")).providers).toEqual([]);
    });

    it("says when the user has declined", async () => {
      github.account = newAccount();
      github.consents = false;
      const browser = newBrowser();
      expect(arrived(await signIn(browser))).toBe("/auth/github/callback?error=access_denied");
      expect(await browser.jar.getCookies(PUBLIC_URL)).toEqual([]);
    });

    it("refuses a user who is in no team", async () => {
      github.account = newAccount();
      const browser = newBrowser();
      await signIn(browser);
      const { team } = await me(browser);
      const origin = { origin: PUBLIC_URL };
      await expectStatus(await browser.call("DELETE", `${PUBLIC_URL}/v1/teams/${team!.team_id}`, origin), 204);
      expect(arrived(await signIn())).toBe("/auth/github/callback?error=no_team");
    });

    it.each([
      ["goes on", [], ""],
      [
        "ends with the reason when that has unlinked it",
        ["delete from oauth_providers where user_id = $1"],
        "?error=email_taken",
      ],
    ])("%s while the account gets another password at the same moment", async (_what, more, query) => {
      github.account = newAccount();
      const browser = newBrowser();
      await signIn(browser);
      const id = fromWireId("usr", (await me(browser)).user_id);
      const client = new pg.Client(database().config.databaseUrl);
      await client.connect();
      try {
        await client.query("begin");
        await client.query("update users set password_hash = 'of another password' where id = $1", [id]);
        for (const statement of more) await client.query(statement, [id]);
        const page = signIn();
        await untilWaiting(client);
        await client.query("commit");
        expect(arrived(await page)).toBe(`/auth/github/callback${query}`);
      } finally {
        await client.end();
      }
    });

    it.each([
      ["the token endpoint fails", "/login/oauth/access_token", 500],
      ["the token endpoint answers nonsense", "/login/oauth/access_token", "nonsense"],
      ["the token endpoint gives no token", "/login/oauth/access_token", { token_type: "bearer" }],
      ["the token endpoint refuses the client", "/login/oauth/access_token", { error: "incorrect_client_credentials" }],
      ["the connection breaks", "/login/oauth/access_token", "broken"],
      ["the profile fails", "/api/v3/user", 503],
      ["the profile is nonsense", "/api/v3/user", { login: 7 }],
      ["the list of addresses fails", "/api/v3/user/emails", 403],
      ["the list of addresses is no list", "/api/v3/user/emails", { message: "no" }],
    ])("ends with a clear error when %s", async (_what, path, fault) => {
      github.account = newAccount();
      github.faults.set(path, (response) => {
        if (fault === "broken") response.destroy();
        else if (fault === "nonsense") response.writeHead(200).end("<html>");
        else if (typeof fault === "number") response.writeHead(fault).end();
        else json(response, 200, fault);
      });
      const browser = newBrowser();
      expect(arrived(await signIn(browser))).toBe("/auth/github/callback?error=exchange_failed");
      expect(await sessionOf(browser)).toBeUndefined();
      github.faults.clear();
      expect(arrived(await signIn(browser))).toBe("/auth/github/callback");
    });

    it("makes one account for one person who signs in twice at the same moment", async () => {
      for (let round = 0; round < 3; round++) {
        github.account = newAccount();
        const browsers = Array.from({ length: 4 }, newBrowser);
        const pages = await Promise.all(browsers.map((browser) => signIn(browser)));
        expect(pages.map(arrived)).toEqual(browsers.map(() => "/auth/github/callback"));
        const people = await Promise.all(browsers.map(me));
        expect(new Set(people.map(({ user_id }) => user_id)).size).toBe(1);
        expect(new Set(people.map(({ team }) => team!.team_id)).size).toBe(1);
      }
    });

    it("gives an address to one of two people who come with it at the same moment", async () => {
      const email = newEmail();
      const browsers = [newBrowser(), newBrowser()];
      const pages: URL[] = [];
      for (const browser of browsers) {
        github.account = newAccount({ email });
        // All but the last step, one after the other, since the double knows one account at a time.
        pages.push(await stopBeforeCallback(browser));
      }
      const ends = await Promise.all(browsers.map((browser, index) => browser.open(pages[index]!)));
      expect(ends.map(arrived).sort()).toEqual(["/auth/github/callback", "/auth/github/callback?error=email_taken"]);
    });
  });

  /** Signs in up to the address with which the provider sends the browser back, which is not opened. */
  async function stopBeforeCallback(browser: Browser): Promise<URL> {
    const departure = await browser.call("GET", `${PUBLIC_URL}/v1/auth/oauth/github`);
    const consent = await browser.call("GET", departure.headers.get("location")!);
    return new URL(consent.headers.get("location")!);
  }

  describe("a return that is not the end of a sign-in of this browser", () => {
    it.each([
      ["with no cookie", (callback: URL) => ({ callback, cookie: "" })],
      [
        "with another state",
        (callback: URL) => {
          callback.searchParams.set("state", "0".repeat(32));
          return { callback };
        },
      ],
      [
        "with no state",
        (callback: URL) => {
          callback.searchParams.delete("state");
          return { callback };
        },
      ],
      [
        "with a cookie that nobody signed",
        (callback: URL) => {
          const state = "1".repeat(32);
          callback.searchParams.set("state", state);
          return { callback, cookie: `${state}:0123456789abcdef:9999999999:${"A".repeat(43)}` };
        },
      ],
      [
        "with a cookie whose time was changed",
        (callback: URL, cookie: string) => {
          const [state, kid, expires, mac] = cookie.split(":");
          return { callback, cookie: [state, kid, Number(expires) + 1, mac].join(":") };
        },
      ],
      [
        "with a cookie of another provider",
        (callback: URL) => {
          callback.pathname = "/v1/auth/oauth/company/callback";
          return { callback };
        },
      ],
      ["with a broken cookie", (callback: URL) => ({ callback, cookie: ":::" })],
    ] as [string, (callback: URL, cookie: string) => { callback: URL; cookie?: string }][])(
      "%s is refused, and the code is not exchanged",
      async (_what, change) => {
        github.account = newAccount();
        const browser = newBrowser();
        const callback = await stopBeforeCallback(browser);
        const own = (await browser.jar.getCookies(PUBLIC_URL)).find(({ key }) => key === "__Host-oauth_state")!;
        expect(own).toMatchObject({ httpOnly: true, secure: true, sameSite: "lax", path: "/", maxAge: 600 });
        const changed = change(new URL(callback), decodeURIComponent(own.value));
        const cookie = changed.cookie ?? decodeURIComponent(own.value);
        const attempt = await send(stack.url, "GET", `${changed.callback.pathname}${changed.callback.search}`, {
          headers: cookie === "" ? {} : { cookie: `__Host-oauth_state=${encodeURIComponent(cookie)}` },
        });
        expect(attempt.status).toBe(302);
        expect(attempt.headers.get("location")).toContain("?error=invalid_state");
        expect(attempt.headers.getSetCookie().filter((set) => set.startsWith(SESSION_COOKIE))).toEqual([]);
        expect(attempt.headers.getSetCookie().join()).toContain("__Host-oauth_state=;");
        // The real browser is not affected.
        expect(arrived(await browser.open(callback))).toBe("/auth/github/callback");
      },
    );

    it("a second time is refused, even with the cookie", async () => {
      github.account = newAccount();
      const browser = newBrowser();
      const callback = await stopBeforeCallback(browser);
      const thief = await browser.clone();
      expect(arrived(await browser.open(callback))).toBe("/auth/github/callback");
      expect(arrived(await thief.open(callback))).toBe("/auth/github/callback?error=invalid_state");
      expect(await sessionOf(thief)).toBeUndefined();
    });

    it("without a code, or with a wrong one, is refused", async () => {
      for (const [code, error] of [
        [undefined, "missing_code"],
        ["", "missing_code"],
        ["guess", "exchange_failed"],
      ] as const) {
        github.account = newAccount();
        const browser = newBrowser();
        const callback = await stopBeforeCallback(browser);
        if (code === undefined) callback.searchParams.delete("code");
        else callback.searchParams.set("code", code);
        expect(arrived(await browser.open(callback))).toBe(`/auth/github/callback?error=${error}`);
        expect(await sessionOf(browser)).toBeUndefined();
      }
    });

    it("with the code of somebody else's sign-in is refused", async () => {
      github.account = newAccount();
      const attacker = await stopBeforeCallback(newBrowser());
      const browser = newBrowser();
      const callback = await stopBeforeCallback(browser);
      callback.searchParams.set("code", attacker.searchParams.get("code")!);
      expect(arrived(await browser.open(callback))).toBe("/auth/github/callback?error=exchange_failed");
    });
  });

  describe("through OpenID Connect", () => {
    /** Signs in at the provider as a user, and consents. */
    const throughForms = async (browser: Browser, login: string) => {
      const form = await signIn(browser, "company");
      const consent = await browser.submit(form, { login, password: "any" });
      return browser.submit(consent, {});
    };

    it("makes an account at the first time and finds it at the second", async () => {
      const login = `grace-${process.pid}-${database().config.databaseUrl === undefined}`;
      const email = newEmail();
      oidc.users.set(login, { email, email_verified: true, name: "Grace Hopper" });
      const first = newBrowser();
      const page = await throughForms(first, login);
      expect(arrived(page)).toBe("/auth/company/callback");
      expect(await sessionOf(first)).toMatchObject({ httpOnly: true, secure: true });
      const made = await me(first);
      expect(made).toMatchObject({ email, name: "Grace Hopper", providers: ["company"], has_password: false });
      oidc.users.set(login, { email: newEmail(), email_verified: true });
      const second = newBrowser();
      await throughForms(second, login);
      expect(await me(second)).toEqual(made);
    });

    it.each([
      ["is not verified", { email: "unverified@example.org", email_verified: false }],
      ["is not said to be verified", { email: "unverified@example.org" }],
      ["is not there", { name: "Nobody" }],
    ])("refuses users whose address %s", async (_what, claims) => {
      oidc.users.set("unverified", claims);
      const browser = newBrowser();
      expect(arrived(await throughForms(browser, "unverified"))).toBe(
        "/auth/company/callback?error=exchange_failed&reason=no_verified_email",
      );
      expect(await sessionOf(browser)).toBeUndefined();
    });

    it("says when the user has declined", async () => {
      const browser = newBrowser();
      const form = await signIn(browser, "company");
      const abort = /href="([^"]*abort)"/.exec(form.text)![1]!;
      expect(arrived(await browser.open(new URL(abort, form.url)))).toBe("/auth/company/callback?error=access_denied");
    });
  });

  it("accounts of providers are members like all others", async () => {
    github.account = newAccount();
    await signIn();
    const owner = await Person.signUp(stack);
    await expectStatus(await owner.call("POST", `/v1/teams/${owner.teamId}/members`, { email: emailOf() }), 201);
    const members = await owner.get<Member[]>(`/v1/teams/${owner.teamId}/members`);
    expect(members.map(({ email }) => email)).toEqual([owner.email, emailOf()]);
  });
});

describe("with providers that are away or accounts that are not open to all", () => {
  describe("oauth", () => {
    const database = testDatabase();
    it("ends with a clear error, or with the account that there is", async () => {
      const github = await GitHubDouble.start();
      const oauth = {
        github: { ...GITHUB_CLIENT, baseUrl: github.url },
        oidc: { ...OIDC_CLIENT, name: "company", label: "Company", issuer: "http://127.0.0.1:9" },
        dashboardUrl: "http://dashboard.example/app",
      };
      const open = await startAccountStack(database(), { config: { publicUrl: "http://warren.example", oauth } });
      const browse = (url: string) =>
        new Browser(new Map([["http://warren.example", url]]), ({ host }) => host === "dashboard.example");
      const start = (url: string, provider: string) =>
        browse(url).open(`http://warren.example/v1/auth/oauth/${provider}`);
      try {
        expect((await start(open.url, "company")).url.href).toBe(
          "http://dashboard.example/app/auth/company/callback?error=exchange_failed&reason=provider_unavailable",
        );
        expect((await start(open.url, "github")).url.href).toBe("http://dashboard.example/app/auth/github/callback");
      } finally {
        await open.close();
      }
      const known = github.account;
      const closed = await startAccountStack(database(), {
        config: { publicUrl: "http://warren.example", oauth, signUpOpen: false },
      });
      try {
        expect((await start(closed.url, "github")).url.search).toBe("");
        github.account = newAccount();
        expect((await start(closed.url, "github")).url.search).toBe("?error=signup_closed");
        const signUp = { email: newEmail(), password: PASSWORD, name: "Ada" };
        expect(await errorOf(await send(closed.url, "POST", "/v1/auth/signup", { body: signUp }))).toMatchObject({
          status: 403,
          code: "signup_closed",
        });
        expect(known.id).not.toBe(github.account.id);
      } finally {
        await closed.close();
        await github.close();
      }
    });
  });
});
