import { Writable } from "node:stream";
import type { Me } from "@warren/contracts/rest/accounts";
import type { NewWebhook, Webhook, WebhookSecret } from "@warren/contracts/rest/webhooks";
import { describe, expect, it } from "vitest";
import { administer } from "./database/testing/postgres-server.ts";
import { createDatabase, testDatabase } from "./database/testing/test-database.ts";
import { createLogger, FrequentLines, isoTime } from "./logging.ts";
import { Browser } from "./oauth/testing/browser.ts";
import { GITHUB_CLIENT, GitHubDouble, json, newAccount } from "./oauth/testing/github-double.ts";
import {
  expectJson,
  expectStatus,
  newEmail,
  PASSWORD,
  Person,
  send,
  startAccountStack,
  TEST_SECRET,
} from "./testing/person.ts";
import { Receiver } from "./webhooks/testing/receiver.ts";

/** A log that is kept as text. */
function capture() {
  let text = "";
  const destination = new Writable({
    write: (chunk, _encoding, done) => {
      text += chunk;
      done();
    },
  });
  return { log: createLogger("trace", destination), text: () => text };
}

it("replaces secrets in what is logged, and drops the parameters of statements", () => {
  const { log, text } = capture();
  log.info({ headers: { authorization: "hidden-1", cookie: "hidden-2" }, password: "hidden-3" }, "something");
  const error = Object.assign(new Error("a statement failed"), { params: ["hidden-4"], parameters: ["hidden-5"] });
  log.error({ err: error }, "failed");
  log.child({}).error({ err: new Error("outer", { cause: error }) }, "failed");
  expect(text()).toContain("a statement failed");
  expect(text()).not.toContain("hidden");
});

it("writes frequent lines as it writes others, at levels that have them", () => {
  for (const level of ["info", "warn"] as const) {
    const written: string[] = [];
    const log = createLogger(level, { write: (line) => written.push(line) });
    log.info({ path: "/a", status: 200 }, "request");
    new FrequentLines(log).write('"path":"/a","status":200', "request");
    const [first, second] = written.map((line) => ({ ...JSON.parse(line), time: undefined }));
    expect([written.length, second]).toEqual([level === "info" ? 2 : 0, first]);
  }
});

it("writes times as the language does", () => {
  for (const time of [0, 1, 999, 1000, 1_767_225_599_999, 1_767_225_600_000, Date.now(), 1_767_225_600_010]) {
    expect(isoTime(time)).toBe(new Date(time).toISOString());
  }
});

it("names the user or the key of each request", async () => {
  const { log, text } = capture();
  const database = await createDatabase();
  const stack = await startAccountStack(database, { log });
  try {
    const person = await Person.signUp(stack, { name: "Grace" });
    const { id, key } = await person.createApiKey({ name: "ci" });
    await send(stack.url, "GET", "/v1/sandboxes", { headers: { "x-api-key": key } });
    await send(stack.url, "GET", "/v1/snapshots", { headers: { "x-api-key": "warren_123" } });
    await stack.close();
    const lines = text().trim().split("\n");
    const requests = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === "request");
    // The host of the stack comes first, and is no user.
    expect(requests.shift()).toMatchObject({ path: "/v1/hosts/register", status: 201 });
    expect(requests.map(({ method, path, status, actor }) => [method, path, status, actor])).toEqual([
      ["POST", "/v1/auth/signup", 201, undefined],
      ["POST", "/v1/api-keys", 201, { type: "user", id: person.userId, name: "Grace" }],
      ["GET", "/v1/sandboxes", 200, { type: "api_key", id, name: "ci" }],
      ["GET", "/v1/snapshots", 401, undefined],
    ]);
  } finally {
    await stack.close();
    await database.remove();
  }
});

describe("logging", () => {
  const database = testDatabase();
  it("never writes a token, password, key, code or cookie down", async () => {
    const { log, text } = capture();
    const secrets: string[] = [PASSWORD, TEST_SECRET, GITHUB_CLIENT.clientSecret];
    const publicUrl = "http://warren.example";
    const github = await GitHubDouble.start();
    const oauth = { github: { ...GITHUB_CLIENT, baseUrl: github.url } };
    const receiver = await Receiver.start();
    const config = { publicUrl, oauth, webhookTargets: ["127.0.0.1"], logLevel: "trace" as const };
    const stack = await startAccountStack(database(), { log, config });
    try {
      secrets.push(stack.apiKey);
      const person = await Person.signUp(stack);
      const again = await Person.logIn(stack, person.email);
      const elsewhere = await person.createTeam();
      secrets.push(person.token, again.token, elsewhere.token);
      const { key } = await person.createApiKey();
      secrets.push(key.slice("warren_".length));
      const withKey = { headers: { "x-api-key": key } };
      await expectStatus(await send(stack.url, "GET", `/v1/auth/options?token=${person.token}`, withKey), 200);

      await receiver.close();
      const { url, secret } = await expectJson<NewWebhook>(
        await person.call("POST", "/v1/webhooks", {
          name: "chat",
          url: `${receiver.url}/a-token-in-an-address`,
          events: ["*"],
        }),
        201,
      );
      const { pathname } = new URL(url);
      const path = (await person.get<Webhook[]>("/v1/webhooks")).map(({ id }) => `/v1/webhooks/${id}`)[0]!;
      const rotated = await expectJson<WebhookSecret>(await person.call("POST", `${path}/secret`), 201);
      secrets.push(pathname, secret.slice("whsec_".length), rotated.secret.slice("whsec_".length));
      // Nobody answers there, and then not even the database.
      await expectJson(await person.call("POST", `${path}/test`), 200);
      await administer(database().config.databaseUrl, "alter table webhook_deliveries rename to elsewhere");
      await expectStatus(await person.call("POST", `${path}/test`), 500);
      await administer(database().config.databaseUrl, "alter table elsewhere rename to webhook_deliveries");

      // What goes wrong is logged more closely.
      secrets.push("a wrong password", "not a token at all", "short!");
      for (const body of [
        { email: person.email, password: "a wrong password" },
        { email: newEmail(), password: "a wrong password", more: "a wrong password" },
      ]) {
        await send(stack.url, "POST", "/v1/auth/login", { body });
      }
      await send(stack.url, "POST", "/v1/auth/signup", { body: { email: newEmail(), password: "short!", name: "x" } });
      await send(stack.url, "GET", "/v1/me", { headers: { authorization: "Bearer not a token at all" } });
      await send(stack.url, "GET", "/v1/me", { headers: { cookie: "warren_session=not a token at all" } });
      const change = { current_password: PASSWORD, new_password: "the new password" };
      secrets.push("the new password");
      await expectStatus(await person.call("POST", "/v1/me/password", change), 204);

      const stop = ({ pathname, host }: URL) => host === "warren.example" && pathname.startsWith("/auth/");
      const visit = async () => {
        const browser = new Browser(new Map([[publicUrl, stack.url]]), stop);
        const page = await browser.open(`${publicUrl}/v1/auth/oauth/github`);
        for (const url of page.visited) {
          for (const name of ["code", "state", "code_challenge"]) secrets.push(url.searchParams.get(name) ?? "");
        }
        for (const cookie of await browser.jar.getCookies(publicUrl)) secrets.push(cookie.value);
        return browser;
      };
      github.account = newAccount();
      const browser = await visit();
      await expectJson<Me>(await browser.call("GET", `${publicUrl}/v1/me`), 200);
      github.account = newAccount({ emails: [] });
      await visit();
      github.faults.set("/login/oauth/access_token", (response) =>
        json(response, 400, { error: "invalid_grant", access_token: "a token in an error" }),
      );
      secrets.push("a token in an error");
      await visit();
      await expectStatus(await person.call("POST", "/v1/auth/logout"), 204);
    } finally {
      await stack.close();
      await github.close();
    }
    const written = text();
    expect(written).toContain("/v1/auth/login");
    expect(written).toContain("a sign-in through a provider was refused");
    const found = secrets.filter((secret) => secret !== "" && written.includes(secret));
    expect(found).toEqual([]);
    expect(written).not.toContain("argon2id");
  });
});

it("does not write down what a failed statement was to store", async () => {
  const { log, text } = capture();
  const database = await createDatabase();
  const stack = await startAccountStack(database, { log });
  try {
    const email = newEmail();
    await administer(database.config.databaseUrl!, "alter table users_teams rename to elsewhere");
    const body = { email, password: PASSWORD, name: "Ada" };
    expect((await send(stack.url, "POST", "/v1/auth/signup", { body })).status).toBe(500);
    expect(text()).toContain("users_teams");
    for (const secret of [PASSWORD, "argon2id"]) expect(text()).not.toContain(secret);
    await administer(database.config.databaseUrl!, "alter table elsewhere rename to users_teams");
    expect((await send(stack.url, "POST", "/v1/auth/login", { body: { email, password: PASSWORD } })).status).toBe(401);
    expect((await send(stack.url, "POST", "/v1/auth/signup", { body })).status).toBe(201);
  } finally {
    await stack.close();
    await database.remove();
  }
});
