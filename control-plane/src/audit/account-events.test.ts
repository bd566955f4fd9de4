import type { AuditPage } from "@warren/contracts/rest/audit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parseConfig } from "../config.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { MailServer } from "../mail/testing/mail-server.ts";
import { Browser } from "../oauth/testing/browser.ts";
import { GITHUB_CLIENT, GitHubDouble, newAccount } from "../oauth/testing/github-double.ts";
import { eventsOf, told } from "../testing/audit-events.ts";
import { operate } from "../testing/operate.ts";
import { ADMIN, expectJson, expectStatus, PASSWORD, Person, send, startAdminStack } from "../testing/person.ts";
import type { TestStack } from "../testing/test-stack.ts";

const PUBLIC_URL = "https://warren.example";
const SESSION_COOKIE = "__Host-warren_session";

describe("events of accounts", () => {
  const database = testDatabase();
  let mail: MailServer;
  let github: GitHubDouble;
  let stack: TestStack;
  let admin: Person;
  beforeAll(async () => {
    mail = await MailServer.start();
    github = await GitHubDouble.start();
    github.redirectUri = `${PUBLIC_URL}/v1/auth/oauth/github/callback`;
    const from = "Warren <warren@example.org>";
    const { smtp } = parseConfig({ SMTP_URL: mail.url, SMTP_FROM: from, CP_PUBLIC_URL: PUBLIC_URL });
    const oauth = { github: { ...GITHUB_CLIENT, baseUrl: github.url } };
    // Without secrets of the settings, the keys of sessions are those of the database.
    const config = { publicUrl: PUBLIC_URL, allowedHosts: [], smtp: smtp!, oauth, jwtSecrets: [] };
    ({ stack, admin } = await startAdminStack(database(), { config }));
  });
  beforeEach(() => {
    github.account = newAccount();
    github.consents = true;
  });
  afterAll(async () => {
    await stack?.close();
    await github?.close();
    await mail?.close();
  });

  const storyOf = async (person: Person, actions: string, resources = "user,member") =>
    told(await eventsOf(person, `?resource_type=${resources}&action=${actions}`));
  /** What the platform was told. */
  const platformStory = async (query: string) =>
    told((await admin.get<AuditPage>(`/v1/admin/audit-logs?limit=200&${query}`)).items);
  const newBrowser = () =>
    new Browser(
      new Map([[PUBLIC_URL, stack.url]]),
      ({ origin, pathname }) => origin === PUBLIC_URL && !pathname.startsWith("/v1/"),
    );

  it("tell of an address that was verified and of a password that came by mail, as done by the user", async () => {
    const ada = await Person.signUp(stack, { name: "Ada" });
    const { email } = ada;
    const verification = await mail.linkTo(email);
    await expectStatus(await ada.call("GET", verification.pathname + verification.search), 200);
    await expectStatus(await send(stack.url, "POST", "/v1/me/password/reset", { body: { email } }), 204);
    const token = (await mail.linkTo(email)).hash.slice("#token=".length);
    const body = { token, password: "another password of hers" };
    await expectStatus(await send(stack.url, "POST", "/v1/me/password/reset/confirm", { body }), 204);
    const again = await Person.logIn(stack, email, body.password);
    const events = await eventsOf(again, "?action=verify_email,password_reset");
    expect(told(events)).toEqual([
      ["user verify_email", "success", "Ada", { email }],
      ["user password_reset", "warning", "Ada", { email }],
    ]);
    for (const event of events) {
      expect(event).toMatchObject({ actor_id: ada.userId, resource_id: ada.userId, scope: "admin" });
    }
    expect(JSON.stringify(events)).not.toContain(token);
  });

  it("tell of providers that vouch for an account, are linked with it and no longer", async () => {
    await newBrowser().open(`${PUBLIC_URL}/v1/auth/oauth/github`);
    const { email } = github.account;
    expect((await platformStory("action=sign_up")).at(-1)).toEqual([
      "user sign_up",
      "success",
      expect.any(String),
      { email, provider: "github", team: expect.stringMatching(/^team-/) },
    ]);

    github.account = newAccount();
    const ada = await Person.signUp(stack, { name: "Ada" });
    const browser = newBrowser();
    await browser.jar.setCookie(`${SESSION_COOKIE}=${ada.token}; Path=/; Secure; HttpOnly`, PUBLIC_URL);
    const headers = { origin: PUBLIC_URL, "content-type": "application/json" };
    const path = `${PUBLIC_URL}/v1/me/providers/github`;
    const begun = await browser.call("POST", `${path}/connect`, headers, JSON.stringify({ password: PASSWORD }));
    await browser.open((await expectJson<{ url: string }>(begun, 200)).url);
    await newBrowser().open(`${PUBLIC_URL}/v1/auth/oauth/github`);
    await expectStatus(await ada.call("DELETE", "/v1/me/providers/github"), 204);
    expect(await storyOf(ada, "provider_link,provider_unlink,log_in")).toEqual([
      ["user log_in", "info", "Ada", { method: "password", address: expect.any(String) }],
      ["user provider_link", "success", "Ada", { provider: "github" }],
      ["user log_in", "info", "Ada", { method: "github", address: expect.any(String) }],
      ["user provider_unlink", "warning", "Ada", { provider: "github" }],
    ]);
  });

  it("tell of an account that is deleted, to its teams and to the platform", async () => {
    const [owner, bob] = [await Person.signUp(stack, { name: "Owner" }), await Person.signUp(stack, { name: "Bob" })];
    const inTeam = await owner.createTeam("Rabbits");
    await inTeam.addMember(bob);
    await expectStatus(await bob.call("DELETE", "/v1/me", { password: PASSWORD }), 204);
    expect(await storyOf(inTeam, "leave")).toEqual([["member leave", "info", "Bob", { email: bob.email }]]);
    expect((await platformStory(`resource_id=${bob.userId}`)).at(-1)).toEqual(["user delete", "warning", "Bob"]);
  });

  it("tell what administrators let others do and do no more", async () => {
    const ada = await Person.signUp(stack);
    const { userId, email } = ada;
    const update = async (change: object) =>
      expectStatus(await admin.call("PATCH", `/v1/admin/users/${userId}`, change), 200);
    for (const change of [{ is_admin: true }, { is_admin: false }, { deactivated: true }, { deactivated: false }]) {
      await update(change);
    }
    expect((await platformStory(`actor=${admin.userId}&resource_id=${userId}`)).slice(-4)).toEqual([
      ["user grant", "warning", "platform-admin", { email, right: "all" }],
      ["user revoke", "warning", "platform-admin", { email, right: "all" }],
      ["user deactivate", "warning", "platform-admin", { email }],
      ["user activate", "info", "platform-admin", { email }],
    ]);
  });

  it("tell of the host of the machine, once", async () => {
    expect(await platformStory("resource_type=host")).toEqual([
      ["host create", "success", "system", { provider: "local", address: stack.host.address }],
      ["host issue_token", "info", "system"],
      ["host register", "success", "system", { address: stack.host.address }],
    ]);
    expect(await storyOf(admin, "create", "host")).toEqual([]);
  });

  it("tell of new keys of sessions, and whether sessions have ended for them", async () => {
    for (const revoke of [false, true]) {
      expect((await operate(stack, "POST", "/signing-keys", { revoke })).status).toBe(204);
    }
    admin = await Person.logIn(stack, ADMIN.email, ADMIN.password);
    expect(await platformStory("resource_type=signing_key")).toEqual([
      ["signing_key rotate", "info", "operator", { revoked: false }],
      ["signing_key rotate", "warning", "operator", { revoked: true }],
    ]);
  });
});
