import type { Me, SignInOptions } from "@warren/contracts/rest/accounts";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../config.ts";
import { createDatabase, testDatabase } from "../database/testing/test-database.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { createLogger } from "../logging.ts";
import { MailServer } from "../mail/testing/mail-server.ts";
import { LogLines } from "../testing/log-lines.ts";
import { operate } from "../testing/operate.ts";
import { expectJson, expectStatus, newEmail, PASSWORD, Person, send, startAccountStack } from "../testing/person.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";
import { untilWaiting } from "../testing/waiting-statements.ts";

const PUBLIC_URL = "https://warren.test";
const NEW_PASSWORD = "another correct horse";

describe("a new password by mail", () => {
  const database = testDatabase();
  const log = new LogLines();
  let mail: MailServer;
  let stack: TestStack;
  let client: pg.Client;
  beforeAll(async () => {
    mail = await MailServer.start();
    stack = await startAccountStack(database(), { log: createLogger("trace", log), config: mailConfig() });
    client = new pg.Client({ connectionString: database().config.databaseUrl });
    await client.connect();
  });
  afterAll(async () => {
    await client?.end();
    await stack?.close();
    await mail?.close();
  });

  function mailConfig() {
    const from = "Warren <warren@example.org>";
    const { smtp, publicUrl } = parseConfig({ SMTP_URL: mail.url, SMTP_FROM: from, CP_PUBLIC_URL: PUBLIC_URL });
    return { smtp: smtp!, publicUrl: publicUrl!, allowedHosts: [] };
  }

  const request = (email: string, url = stack.url, headers: Record<string, string> = {}) =>
    send(url, "POST", "/v1/me/password/reset", { body: { email }, headers });
  const confirm = (token: string, password = NEW_PASSWORD) =>
    send(stack.url, "POST", "/v1/me/password/reset/confirm", { body: { token, password } });
  const logIn = (email: string, password: string) =>
    send(stack.url, "POST", "/v1/auth/login", { body: { email, password } });
  /** Somebody whose first mail, that of the sign-up, is taken away. */
  async function newPerson(): Promise<Person> {
    const person = await Person.signUp(stack);
    await mail.mailTo(person.email);
    return person;
  }
  async function newToken(person: Person): Promise<string> {
    await expectStatus(await request(person.email), 204);
    return (await mail.linkTo(person.email)).hash.slice("#token=".length);
  }

  it("is set by the link of the mail, once, and ends all sessions", async () => {
    const person = await newPerson();
    const options = await expectJson<SignInOptions>(await send(stack.url, "GET", "/v1/auth/options"), 200);
    expect(options.password_reset).toBe(true);
    await expectStatus(await request(` ${person.email.toUpperCase()} `), 204);
    const link = await mail.linkTo(person.email);
    expect(link.href).toMatch(/^https:\/\/warren\.test\/reset#token=[\w-]{43}$/);
    const token = link.hash.slice("#token=".length);
    expect((await person.call("GET", "/v1/me")).status).toBe(200);
    await expectStatus(await confirm(token), 204);
    expect((await person.call("GET", "/v1/me")).status).toBe(401);
    expect((await logIn(person.email, PASSWORD)).status).toBe(401);
    const again = await Person.logIn(stack, person.email, NEW_PASSWORD);
    // Whoever has the link reads the mails to the address.
    expect((await again.get<Me>("/v1/me")).email_verified).toBe(true);
    expect(await errorOf(await confirm(token))).toMatchObject({ status: 410, code: "link_invalid" });
    expect((await logIn(person.email, NEW_PASSWORD)).status).toBe(200);
    expect(JSON.stringify(log.lines)).not.toContain(token);
    expect(JSON.stringify(log.lines)).not.toContain(NEW_PASSWORD);
  });

  it("is answered before the account is looked up, so that nobody learns whether there is one", async () => {
    const person = await newPerson();
    const held = Promise.withResolvers<void>();
    mail.holdBack = held.promise;
    const arrived = mail.nextMail();
    const known = await request(person.email);
    const unknown = await request(newEmail());
    const impossible = await request("no address at all");
    for (const answer of [known, unknown, impossible]) {
      expect([answer.status, await answer.text(), [...answer.headers.keys()].sort()]).toEqual([
        204,
        "",
        [...known.headers.keys()].sort(),
      ]);
    }
    await arrived;
    held.resolve();
    await mail.mailTo(person.email);
    const count = mail.count;
    // A mail that comes afterwards came alone.
    await newToken(person);
    expect(mail.count).toBe(count + 1);
  });

  it("takes each link for 15 minutes, whoever asks for more of them, and none that a new password has overtaken", async () => {
    const person = await newPerson();
    const [first, second] = [await newToken(person), await newToken(person)];
    const id = fromWireId("usr", person.userId);
    const { rows } = await client.query("select expires_at, token_hash from password_resets where user_id = $1", [id]);
    expect(rows).toHaveLength(2);
    for (const { expires_at, token_hash } of rows) {
      expect([first, second]).not.toContain(token_hash);
      expect(Math.abs(expires_at.getTime() - Date.now() - 15 * 60_000)).toBeLessThan(60_000);
    }
    await expectStatus(await confirm(first, PASSWORD), 204);
    expect((await confirm(second)).status).toBe(410);
    const late = await newToken(person);
    await client.query("update password_resets set expires_at = now() - interval '1 second' where user_id = $1", [id]);
    expect((await confirm(late)).status).toBe(410);
    const third = await newToken(person);
    const change = { current_password: PASSWORD, new_password: "changed by the user" };
    const again = await Person.logIn(stack, person.email);
    await expectStatus(await again.call("POST", "/v1/me/password", change), 204);
    expect((await confirm(third)).status).toBe(410);
    const fourth = await newToken(person);
    await operate(stack, "POST", "/password", { email: person.email, password: "given by the operator" });
    expect((await confirm(fourth)).status).toBe(410);
    expect((await logIn(person.email, "given by the operator")).status).toBe(200);
  });

  it("is set by one of many at the same moment", async () => {
    const token = await newToken(await newPerson());
    const statuses = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => (await confirm(token, `${NEW_PASSWORD} ${i}`)).status),
    );
    expect(statuses.sort()).toEqual([204, 410, 410, 410, 410, 410]);
  });

  it("ends a log-in with the old one too that is under way at the same moment", async () => {
    const [person, other] = [await newPerson(), await newPerson()];
    await expectStatus(await confirm(await newToken(other)), 204);
    const [id, otherId] = [person, other].map(({ userId }) => fromWireId("usr", userId));
    await client.query("begin");
    const setHash = "update users set password_hash = (select password_hash from users where id = $2) where id = $1";
    await client.query(setHash, [id, otherId]);
    await client.query("lock table user_sessions in share mode");
    const refused = logIn(person.email, PASSWORD);
    await untilWaiting(client);
    await client.query("delete from user_sessions where user_id = $1", [id]);
    await client.query("commit");
    expect(await errorOf(await refused)).toMatchObject({ status: 401, code: "unauthorized" });
    expect((await logIn(person.email, NEW_PASSWORD)).status).toBe(200);
  });

  it("comes to nothing when the account is deleted at the same moment, which is not held up", async () => {
    const person = await newPerson();
    const token = await newToken(person);
    const id = fromWireId("usr", person.userId);
    await client.query("begin");
    await client.query("select from users where id = $1 for update", [id]);
    const refused = confirm(token);
    await untilWaiting(client);
    await client.query("delete from users where id = $1", [id]);
    await client.query("commit");
    expect((await refused).status).toBe(410);
  });

  it("shuts out whoever has made the account with an address that was never theirs, by whatever way", async () => {
    const person = await newPerson();
    const id = fromWireId("usr", person.userId);
    const link =
      "insert into oauth_providers (provider, provider_id, user_id, email) values ('github', $1::uuid::text, $1::uuid, 'x@example.org')";
    await client.query(link, [id]);
    await expectStatus(await confirm(await newToken(person)), 204);
    const again = await Person.logIn(stack, person.email, NEW_PASSWORD);
    expect(await again.get<Me>("/v1/me")).toMatchObject({ providers: [], email_verified: true });
    // Once the address is known to be the user's, the identities are too.
    await client.query(link, [id]);
    await expectStatus(await confirm(await newToken(person), PASSWORD), 204);
    expect((await (await Person.logIn(stack, person.email)).get<Me>("/v1/me")).providers).toEqual(["github"]);
  });

  it("brings nothing to somebody who is shut out", async () => {
    const person = await newPerson();
    const token = await newToken(person);
    await operate(stack, "POST", "/deactivate", { email: person.email });
    expect((await confirm(token)).status).toBe(410);
    await expectStatus(await request(person.email), 204);
    const other = await newPerson();
    await newToken(other);
    expect(mail.has(person.email)).toBe(false);
  });

  it("names the configured address in the mail, whichever host the request names", async () => {
    const person = await newPerson();
    const headers = { "x-forwarded-host": "evil.test", "x-forwarded-proto": "http", forwarded: "host=evil.test" };
    await expectStatus(await request(person.email, stack.url, headers), 204);
    const text = await mail.mailTo(person.email);
    expect(text).toContain(`${PUBLIC_URL}/reset#token=`);
    expect(text).not.toContain("evil.test");
    expect(
      text
        .match(/^(to|subject|from|bcc|cc): .*$/gim)
        ?.map((line) => line.trim())
        .sort(),
    ).toEqual(["From: Warren <warren@example.org>", "Subject: Set a new password", `To: ${person.email}`]);
  });

  it("sends to nobody but the account, whatever is asked for", async () => {
    const person = await newPerson();
    const count = mail.count;
    for (const email of [
      `${person.email}, evil@example.org`,
      `${person.email}\r\nBcc: evil@example.org`,
      `<${person.email}>`,
      `"x" <${person.email}>`,
      `${person.email}\0`,
      "%",
    ]) {
      expect([204, 400]).toContain((await request(email)).status);
    }
    await newToken(person);
    expect(mail.count).toBe(count + 1);
    expect(mail.has("evil@example.org")).toBe(false);
  });

  it("goes on when the mail server refuses, and says so in the log", async () => {
    const person = await newPerson();
    mail.refuses = true;
    const since = log.lines.length;
    await expectStatus(await request(person.email), 204);
    await log.until(() => log.lines.slice(since).some(({ msg }) => msg === "the mail server did not take a mail"));
    mail.refuses = false;
    await expectStatus(await confirm(await newToken(person)), 204);
  });

  it.each([
    ["a token of another form", { token: "x", password: NEW_PASSWORD }, "body/token"],
    ["a short password", { token: "x".repeat(43), password: "short" }, "body/password"],
    ["no token", { password: NEW_PASSWORD }, "token"],
  ])("names what is wrong with %s", async (_what, body, field) => {
    const refused = await errorOf(await send(stack.url, "POST", "/v1/me/password/reset/confirm", { body }));
    expect(refused).toMatchObject({ status: 400, code: "invalid_request" });
    expect(refused.message).toContain(field);
  });

  it("is bounded for an address, with or without account, and for a network", async () => {
    const other = await createDatabase();
    const bounded = await TestStack.start(other, { config: { ...mailConfig(), trustedProxies: ["127.0.0.1"] } });
    try {
      let networks = 0;
      const from = () => ({ "x-forwarded-for": `2001:db8:0:${(++networks).toString(16)}::1` });
      const person = await Person.signUp(bounded);
      for (const email of [person.email, newEmail()]) {
        const statuses = [];
        for (let i = 0; i < 5; i++) statuses.push((await request(email, bounded.url, from())).status);
        expect(statuses).toEqual([204, 204, 204, 429, 429]);
      }
      const network = from();
      const statuses = [];
      for (let i = 0; i < 12; i++) statuses.push((await request(newEmail(), bounded.url, network)).status);
      expect(statuses.slice(0, 10)).toEqual(Array(10).fill(204));
      expect(statuses.slice(10)).toContain(429);
    } finally {
      await bounded.close();
      await other.remove();
    }
  });

  it("is refused where no mail server is configured, and the options say so", async () => {
    const other = await createDatabase();
    const silent = await startAccountStack(other);
    try {
      const options = await expectJson<SignInOptions>(await send(silent.url, "GET", "/v1/auth/options"), 200);
      expect(options.password_reset).toBe(false);
      const person = await Person.signUp(silent);
      for (const email of [person.email, newEmail()]) {
        expect(await errorOf(await request(email, silent.url))).toMatchObject({
          status: 409,
          code: "mail_not_configured",
        });
      }
    } finally {
      await silent.close();
      await other.remove();
    }
  });
});
