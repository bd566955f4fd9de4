import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Warren } from "@warren/sdk";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Operator } from "../cli/src/servers/operator.ts";
import { MailServer } from "../control-plane/src/mail/testing/mail-server.ts";
import { Browser } from "../control-plane/src/oauth/testing/browser.ts";
import { GITHUB_CLIENT, GitHubDouble } from "../control-plane/src/oauth/testing/github-double.ts";
import { ControlPlaneProcess } from "../control-plane/src/testing/control-plane-process.ts";
import { CACHE_DIRECTORY } from "./support/stack.ts";

const PUBLIC_URL = "https://warren.example";
const PASSWORD = "correct horse battery staple";

describe("accounts by the client library", () => {
  let dataDir: string;
  let server: ControlPlaneProcess;
  let url: string;
  let mail: MailServer;
  let github: GitHubDouble;
  beforeAll(async () => {
    mail = await MailServer.start();
    github = await GitHubDouble.start();
    dataDir = await mkdtemp(join(tmpdir(), "warren-sdk-accounts-"));
    server = new ControlPlaneProcess({
      WARREN_DATA_DIR: dataDir,
      WARREN_CACHE_DIR: CACHE_DIRECTORY,
      WARREN_EXIT_WITH_PARENT: "1",
      CP_PUBLIC_URL: PUBLIC_URL,
      SMTP_URL: mail.url,
      SMTP_FROM: "Warren <warren@example.org>",
      OAUTH_GITHUB_CLIENT_ID: GITHUB_CLIENT.clientId,
      OAUTH_GITHUB_CLIENT_SECRET: GITHUB_CLIENT.clientSecret,
      OAUTH_GITHUB_BASE_URL: github.url,
    });
    url = await server.url();
  });
  afterAll(async () => {
    await server?.kill();
    await Promise.all([github?.close(), mail?.close()]);
    await rm(dataDir, { recursive: true, force: true });
  });

  function connect(sessionToken?: string): Warren {
    const warren = new Warren({ url, ...(sessionToken === undefined ? {} : { sessionToken }) });
    onTestFinished(() => warren.close());
    return warren;
  }

  test("is made by the link of the operator, and its session does what a session may", async () => {
    const anybody = connect();
    expect(await anybody.signIn.options()).toMatchObject({ setup: true });
    const link = await new Operator(dataDir).setupLink();
    const token = new URL(link.url).hash.slice("#token=".length);
    const session = await anybody.signIn.setUp({
      token,
      email: "first@example.org",
      password: PASSWORD,
      name: "First",
    });
    const warren = connect(session.token!);
    expect(await warren.account.get()).toMatchObject({ is_admin: true, name: "First" });
    expect(await warren.sandboxes.list()).toEqual([]);
    const page = await warren.auditLogs.page({ resourceTypes: ["user"], actions: ["log_in"], limit: 1 });
    expect(page.items).toMatchObject([{ actor_name: "First", action: "log_in", metadata: { method: "setup_link" } }]);
    const told: string[] = [];
    for await (const { action } of warren.auditLogs.all({ actors: [session.user_id] })) told.push(action);
    expect(told).toContain("log_in");
    const lines = await text(await warren.auditLogs.export({ actors: [session.user_id] }));
    expect(
      lines
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).action),
    ).toEqual(told);
    await expect(warren.auditLogs.export({ actors: ["Ada"] })).rejects.toMatchObject({ code: "invalid_request" });
    const { administration } = warren;
    const other = await anybody.signIn.signUp({ email: "other@example.org", password: PASSWORD, name: "Other" });
    expect((await administration.users({ search: "other@" })).items).toMatchObject([{ user_id: other.user_id }]);
    const first = await administration.teams({ limit: 1 });
    expect((await administration.teams({ limit: 1, cursor: first.next_cursor! })).items).toHaveLength(1);
    expect((await administration.hosts()).items).toEqual([]);
    expect((await administration.sandboxes({ team_id: other.team_id })).items).toEqual([]);
    expect((await administration.setQuota(other.team_id, { sandboxes: 3 })).limits.sandboxes).toBe(3);
    expect((await administration.quota(other.team_id)).limits.sandboxes).toBe(3);
    const limits = await administration.auditLogs.page({ resourceTypes: ["quota"] });
    const exported = await text(await administration.auditLogs.export({ resourceTypes: ["quota"] }));
    expect(JSON.parse(exported)).toEqual(limits.items[0]);
    expect(limits.items).toMatchObject([{ action: "update", metadata: { sandboxes: 3, team: other.team_id } }]);
    const usageLimits = await administration.setUsageLimits(other.team_id, { egress_bytes: { warning: 5, limit: 10 } });
    expect(usageLimits).toMatchObject({ state: "ok", egress_bytes: { used: 0, warning: 5, limit: 10 } });
    expect(await administration.usageLimits(other.team_id)).toEqual(usageLimits);
    expect((await connect(other.token!).usage.get()).limits).toEqual(usageLimits);
    await administration.updateUser(other.user_id, { deactivated: true });
    await expect(connect(other.token!).account.get()).rejects.toMatchObject({ code: "account_deactivated" });
  });

  test("changes its name and password, and sees and ends its sessions", async () => {
    const anybody = connect();
    const email = "ada@example.org";
    const session = await anybody.signIn.signUp({ email, password: PASSWORD, name: "Ada" });
    const { account } = connect(session.token!);
    await account.rename("Countess");
    const other = connect((await anybody.signIn.logIn({ email, password: PASSWORD })).token!);
    const { id } = (await account.sessions()).find(({ current }) => !current)!;
    await account.endSession(id);
    await expect(other.account.get()).rejects.toMatchObject({ code: "unauthorized" });
    await account.changePassword({ current_password: PASSWORD, new_password: "another password" });
    await anybody.signIn.logIn({ email, password: "another password" });
    expect(await account.get()).toMatchObject({ name: "Countess" });
    await account.logOut();
    await expect(account.get()).rejects.toMatchObject({ code: "unauthorized" });
    const last = connect((await anybody.signIn.logIn({ email, password: "another password" })).token!);
    await last.account.logOutEverywhere();
    await expect(last.account.get()).rejects.toMatchObject({ code: "unauthorized" });
  });

  test("gets a new password by a mail, whose token works once, for the one who has it", async () => {
    const anybody = connect();
    expect(await anybody.signIn.options()).toMatchObject({ password_reset: true });
    const email = "forgetful@example.org";
    const session = connect((await anybody.signIn.signUp({ email, password: PASSWORD, name: "Forgetful" })).token!);
    await mail.mailTo(email);
    await anybody.signIn.requestPasswordReset(email);
    // Nobody is told whether an address has an account.
    await anybody.signIn.requestPasswordReset("nobody@example.org");
    const token = (await mail.linkTo(email)).hash.slice("#token=".length);
    const wrong = { token: "x".repeat(43), password: "another password" };
    await expect(anybody.signIn.resetPassword(wrong)).rejects.toMatchObject({ code: "link_invalid" });
    await expect(anybody.signIn.resetPassword({ token, password: "short" })).rejects.toMatchObject({
      code: "invalid_request",
    });
    await anybody.signIn.resetPassword({ token, password: "another password" });
    await expect(session.account.get()).rejects.toMatchObject({ code: "unauthorized" });
    await expect(anybody.signIn.resetPassword({ token, password: PASSWORD })).rejects.toMatchObject({
      code: "link_invalid",
    });
    await anybody.signIn.logIn({ email, password: "another password" });
  });

  test("sees the providers that are linked to it, and unlinks them, but not the last way to sign in", async () => {
    const anybody = connect();
    expect(await anybody.signIn.options()).toMatchObject({ providers: [{ name: "github", label: "GitHub" }] });
    const ada = { email: "linked@example.org", password: PASSWORD, name: "Linked" };
    const { account } = connect((await anybody.signIn.signUp(ada)).token!);
    const offered = { name: "github", label: "GitHub", available: true };
    expect(await account.providers()).toEqual([{ ...offered, linked: false }]);
    await expect(account.unlinkProvider("github")).rejects.toMatchObject({ code: "not_found" });
    // Somebody whom the provider vouches for has no other way.
    const browser = new Browser(
      new Map([[PUBLIC_URL, url]]),
      ({ origin, pathname }) => origin === PUBLIC_URL && !pathname.startsWith("/v1/"),
    );
    await browser.open(`${PUBLIC_URL}/v1/auth/oauth/github`);
    const [cookie] = (await browser.jar.getCookies(PUBLIC_URL)).filter(({ key }) => key.endsWith("warren_session"));
    const vouched = connect(cookie!.value).account;
    expect(await vouched.providers()).toMatchObject([{ ...offered, linked: true, email: github.account.email }]);
    await expect(vouched.unlinkProvider("github")).rejects.toMatchObject({ code: "last_login_method" });
  });

  test("makes hosts known, has them take sandboxes or not, and deletes them", async () => {
    const first = await connect().signIn.logIn({ email: "first@example.org", password: PASSWORD });
    const { hosts, administration } = connect(first.token!);
    const { host, registration_token: token } = await hosts.create({ provider: "rack 2", availabilityZone: "b" });
    expect(host).toMatchObject({ type: "regular", status: "pending", provider: "rack 2", availability_zone: "b" });
    expect((await hosts.newToken(host.id)).registration_token).not.toBe(token);
    await expect(hosts.drain(host.id)).rejects.toMatchObject({ code: "invalid_state" });
    const answer = await fetch(new URL("/v1/hosts/register", url), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, address: `unix:${dataDir}/nobody.sock`, arch: "amd64", cpu_cores: 2 }),
    });
    expect(answer.status).toBe(201);
    expect(await hosts.drain(host.id)).toMatchObject({ status: "draining" });
    expect(await hosts.offline(host.id)).toMatchObject({ status: "offline" });
    expect(await hosts.online(host.id)).toMatchObject({ status: "online" });
    expect((await hosts.list()).map(({ id }) => id)).toEqual([host.id]);
    expect(await hosts.get(host.id)).toMatchObject({ cpu_cores: 2, templates: [] });
    await hosts.addTag(host.id, "gpu");
    expect(await hosts.tags(host.id)).toEqual(["gpu"]);
    await hosts.removeTag(host.id, "gpu");
    await expect(hosts.removeTag(host.id, "gpu")).rejects.toMatchObject({ code: "not_found" });
    expect(await hosts.deletePreview(host.id)).toMatchObject({ host: { id: host.id }, sandbox_ids: [], templates: [] });
    await hosts.delete(host.id);
    await expect(hosts.get(host.id)).rejects.toMatchObject({ code: "not_found" });
    await expect(hosts.delete(host.id, { force: true })).rejects.toMatchObject({ code: "not_found" });

    const owner = await connect().signIn.signUp({ email: "owner@example.org", password: PASSWORD, name: "Owner" });
    const teams = connect(owner.token!).hosts;
    await expect(teams.create()).rejects.toMatchObject({ code: "forbidden" });
    const { slug } = (await administration.teams({ search: owner.team_id })).items[0]!;
    await new Operator(dataDir).setByoc(slug, true);
    const own = (await teams.create({ teamId: owner.team_id })).host;
    expect(own).toMatchObject({ type: "byoc", team_id: owner.team_id });
    expect(await teams.list()).toMatchObject([{ id: own.id }]);
    await teams.delete(own.id);
  });

  test("is deleted with the teams that nobody else is in", async () => {
    const anybody = connect();
    const account = { email: "leaver@example.org", password: PASSWORD, name: "Leaver" };
    const warren = connect((await anybody.signIn.signUp(account)).token!);
    expect(await warren.account.deletionPreview()).toMatchObject({ possible: true, teams: [{ outcome: "deleted" }] });
    await expect(warren.account.delete()).rejects.toMatchObject({ code: "forbidden" });
    await warren.account.delete({ password: PASSWORD });
    const { email, password } = account;
    await expect(anybody.signIn.logIn({ email, password })).rejects.toMatchObject({ code: "unauthorized" });
  });
});
