import type { AuthResponse } from "@warren/contracts/rest/accounts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { expectJson, newEmail, PASSWORD, Person, send, TEST_SECRET } from "../testing/person.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

describe("credential routes", () => {
  const database = testDatabase();
  let stack: TestStack;
  /** Clients behind a proxy on this machine have addresses of their own; counts of one test do not concern another. */
  beforeEach(async () => {
    stack = await TestStack.start(database(), {
      config: { jwtSecrets: [TEST_SECRET], trustedProxies: ["127.0.0.1"] },
    });
  });
  afterEach(() => stack?.close());

  let networks = 0;
  const newNetwork = () => ({ "x-forwarded-for": `2001:db8:${process.pid.toString(16).slice(-4)}:${++networks}::1` });
  const logIn = (email: string, password: string, headers: Record<string, string>) =>
    send(stack.url, "POST", "/v1/auth/login", { body: { email, password }, headers });
  const signUp = (email: string, headers: Record<string, string>) =>
    send(stack.url, "POST", "/v1/auth/signup", { body: { email, password: PASSWORD, name: "Ada" }, headers });
  const newPerson = async () =>
    new Person(stack.url, await expectJson<AuthResponse>(await signUp(newEmail(), newNetwork()), 201));

  it("log-in locks an account for the network that guesses, and for no other", async () => {
    const person = await newPerson();
    const guesser = newNetwork();
    let refusals = 0;
    for (let i = 0; i < 12; i++) {
      const answer = await logIn(person.email, `guess ${i}`, guesser);
      expect([401, 429]).toContain(answer.status);
      if (answer.status !== 429) continue;
      refusals++;
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(await errorOf(answer)).toMatchObject({ code: "rate_limited" });
    }
    expect(refusals).toBeGreaterThan(0);
    expect((await logIn(person.email, PASSWORD, newNetwork())).status).toBe(200);
  });

  it("log-in lets the owner in whatever one network tries", async () => {
    const person = await newPerson();
    const guesser = newNetwork();
    const guesses = await Promise.all(Array.from({ length: 30 }, () => logIn(person.email, "guess", guesser)));
    expect(guesses.filter(({ status }) => status === 429).length).toBeGreaterThan(10);
    expect((await logIn(person.email, PASSWORD, newNetwork())).status).toBe(200);
  });

  it("log-in locks unknown accounts in the same way", async () => {
    const guess = async (email: string) => {
      const headers = newNetwork();
      const answers = [];
      for (let i = 0; i < 5; i++) answers.push((await logIn(email, "guess", headers)).status);
      // The lock of the sixth is a second long; many at once meet it.
      const rest = await Promise.all(Array.from({ length: 8 }, () => logIn(email, "guess", headers)));
      return [answers, rest.some(({ status }) => status === 429)];
    };
    const person = await newPerson();
    expect(await guess(person.email)).toEqual(await guess(newEmail()));
  });

  it("log-in bounds the guesses at one account from all networks together", async () => {
    const email = newEmail();
    const statuses: number[] = [];
    for (let i = 0; i < 30; i++) statuses.push((await logIn(email, "guess", newNetwork())).status);
    expect(statuses.slice(0, 20)).toEqual(Array(20).fill(401));
    expect(statuses.slice(20).filter((status) => status === 429).length).toBeGreaterThanOrEqual(8);
  });

  it("log-in and sign-up bound what one network tries", async () => {
    const guesser = newNetwork();
    const attempts = await Promise.all(Array.from({ length: 40 }, () => logIn(newEmail(), "guess", guesser)));
    expect(attempts.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(33);
    expect(attempts.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(7);
    const maker = newNetwork();
    const made = [];
    for (let i = 0; i < 13; i++) made.push((await signUp(newEmail(), maker)).status);
    expect(made.slice(0, 10)).toEqual(Array(10).fill(201));
    expect(made.slice(10)).toContain(429);
    expect((await signUp(newEmail(), newNetwork())).status).toBe(201);
  });

  it("a proxy that is not trusted has no say about the client's address", async () => {
    await stack.close();
    stack = await TestStack.start(database(), { config: { jwtSecrets: [TEST_SECRET] } });
    const made = [];
    for (let i = 0; i < 13; i++) made.push((await signUp(newEmail(), newNetwork())).status);
    expect(made).toContain(429);
  });

  it("sign-up bounds what is tried with one address, whether it has an account or not", async () => {
    const email = newEmail();
    const statuses: number[] = [];
    for (let i = 0; i < 8; i++) statuses.push((await signUp(email, newNetwork())).status);
    expect(statuses.slice(0, 5)).toEqual([201, 409, 409, 409, 409]);
    expect(statuses.slice(5)).toContain(429);
  });

  it("signing in through a provider is bounded per network, in both halves together", async () => {
    await stack.close();
    const publicUrl = "http://warren.example";
    const github = { clientId: "client", clientSecret: "the secret of the client", baseUrl: "http://127.0.0.1:9" };
    stack = await TestStack.start(database(), {
      config: { trustedProxies: ["127.0.0.1"], publicUrl, oauth: { github } },
    });
    const go = async (path: string, headers: Record<string, string>) =>
      (await send(stack.url, "GET", `/v1/auth/oauth/github${path}`, { headers })).headers.get("location")!;
    const headers = newNetwork();
    const halves = Array.from({ length: 60 }, (_, index) => go(index % 2 === 0 ? "" : "/callback?state=x", headers));
    const refused = (await Promise.all(halves)).filter((location) => location.endsWith("?error=rate_limited"));
    expect(refused.length).toBeGreaterThan(5);
    expect(refused.length).toBeLessThanOrEqual(30);
    for (const path of ["", "/callback"]) expect(await go(path, newNetwork())).not.toContain("rate_limited");
  });

  it("changing passwords is bounded per network too", async () => {
    const person = await newPerson();
    const headers = { ...newNetwork(), authorization: `Bearer ${person.token}` };
    // An empty body is refused before the account's own limit.
    const change = (from: Record<string, string>) =>
      send(stack.url, "POST", "/v1/me/password", { body: {}, headers: from });
    const answers = await Promise.all(Array.from({ length: 30 }, () => change(headers)));
    const accepted = answers.filter(({ status }) => status === 400);
    expect(accepted.length).toBeGreaterThanOrEqual(20);
    expect(answers.filter(({ status }) => status === 429).length).toBe(30 - accepted.length);
    expect(accepted.length).toBeLessThan(30);
    expect((await change({ ...headers, ...newNetwork() })).status).toBe(400);
  });

  it.each([
    ["changing team", 60, 100, (p: Person) => p.call("POST", "/v1/auth/switch-team", { team_id: p.teamId })],
    ["making API keys", 60, 80, (p: Person) => p.call("POST", "/v1/api-keys", {})],
    ["making teams", 20, 30, (p: Person) => p.call("POST", "/v1/teams", { name: "Team" })],
  ])("%s is bounded per user", async (_what, burst, attempts, attempt) => {
    const [person, other] = [await newPerson(), await newPerson()];
    const answers = await Promise.all(Array.from({ length: attempts }, () => attempt(person)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThanOrEqual(attempts - burst);
    expect(Number(refused[0]!.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await attempt(other)).status).toBeLessThan(300);
  });

  it("changing a password, searching and adding members are bounded per user", async () => {
    const person = await newPerson();
    const passwords = await Promise.all(
      Array.from({ length: 9 }, () =>
        person.call("POST", "/v1/me/password", { current_password: "guess", new_password: "x".repeat(10) }),
      ),
    );
    expect(passwords.map(({ status }) => status).sort()).toEqual([...Array(5).fill(403), ...Array(4).fill(429)]);
    const members = await Promise.all(
      Array.from({ length: 45 }, () =>
        person.call("POST", `/v1/teams/${person.teamId}/members`, { email: newEmail() }),
      ),
    );
    expect(new Set(members.map(({ status }) => status))).toEqual(new Set([404, 429]));
    const searches = await Promise.all(
      Array.from({ length: 80 }, () => person.call("GET", `/v1/users/search?email=${newEmail()}`)),
    );
    expect(searches.filter(({ status }) => status === 429).length).toBeGreaterThan(20);
  });
});
