import { createHash, randomUUID } from "node:crypto";
import { SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { expectStatus, Person, send, startAccountStack, TEST_SECRET } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

/** Routes that need no credential of a team or user. Every other route must refuse each wrong one. */
const PUBLIC = [
  /^GET \/health$/,
  /^GET \/openapi\.(yaml|json)$/,
  /^GET \/docs(\/.*)?$/,
  /^POST \/v1\/auth\/(signup|login|setup)$/,
  /^POST \/v1\/me\/password\/reset(\/confirm)?$/,
  /^GET \/v1\/auth\/options$/,
  /^GET \/v1\/auth\/oauth\/:provider(\/callback)?$/,
  // Hosts show tokens of their own: see host-registry/hosts.test.ts.
  /^POST \/v1\/hosts\/(register|auth\/refresh|:id\/heartbeat)$/,
];

type Headers = Record<string, string>;

describe("wrong credentials", () => {
  const database = testDatabase();
  let stack: TestStack;
  let person: Person;
  let wrong: Record<string, Headers>;
  beforeAll(async () => {
    stack = await startAccountStack(database());
    person = await Person.signUp(stack);
    wrong = await wrongCredentials(stack, person);
  });
  afterAll(() => stack?.close());

  // HEAD is GET without the body, by the framework.
  const routes = () => stack.controlPlane.routes.filter((route) => !route.startsWith("HEAD "));
  const isPublic = (route: string) => PUBLIC.some((pattern) => pattern.test(route));

  it("has routes that need a credential and routes that do not", () => {
    const open = routes().filter(isPublic);
    expect(open.length).toBeGreaterThan(5);
    expect(routes().length - open.length).toBeGreaterThan(30);
  });

  describe("every other route answers 401", () => {
    it("to every kind of wrong credential", { timeout: 300_000 }, async () => {
      const accepted: string[] = [];
      for (const route of routes().filter((each) => !isPublic(each))) {
        const [method = "", path = ""] = route.split(" ");
        for (const [kind, headers] of Object.entries(wrong)) {
          const response = await send(stack.url, method, concrete(path), { headers });
          if (response.status !== 401) accepted.push(`${route} with ${kind}: ${response.status}`);
          else expect((await errorOf(response)).code).toBe("unauthorized");
        }
      }
      expect(accepted).toEqual([]);
    });
  });

  it("the right ones are accepted, however they are written", async () => {
    const { key } = await person.createApiKey();
    for (const headers of [
      { authorization: `Bearer ${person.token}` },
      { authorization: `bearer  ${person.token}` },
      { cookie: `other=1; warren_session=${person.token}` },
      { "x-api-key": key },
      { "x-api-key": key.replace("warren_", "e2b_") },
      // A program's key goes before a user's session.
      { "x-api-key": key, authorization: "Bearer nonsense" },
    ] as Headers[]) {
      expect([headers, (await send(stack.url, "GET", "/v1/sandboxes", { headers })).status]).toEqual([headers, 200]);
    }
  });
});

/** A path with something in the place of its parameters. */
function concrete(path: string): string {
  return path
    .replace("/teams/:id", `/teams/team-${"0".repeat(25)}`)
    .replace("/api-keys/:id", `/api-keys/key-${"0".repeat(25)}`)
    .replace("/sandboxes/:id", `/sandboxes/sb${"a".repeat(20)}`)
    .replace(/:[a-z_]+/g, `x-${"0".repeat(25)}`);
}

async function wrongCredentials(stack: TestStack, person: Person): Promise<Record<string, Headers>> {
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const secret = new TextEncoder().encode(TEST_SECRET);
  const kid = createHash("sha256").update("warren signing key\0").update(secret).digest("hex").slice(0, 16);
  const now = Math.floor(Date.now() / 1000);
  const ids = { sid: randomUUID(), team_id: person.teamId, role: "owner", is_admin: true };
  /** A token that is right but for what is changed. */
  const forge = (changes: { claims?: object; header?: object; key?: Uint8Array } = {}) =>
    new SignJWT({
      ...ids,
      sub: person.userId,
      iss: "warren",
      aud: "warren:user",
      iat: now,
      exp: now + 3600,
      ...changes.claims,
    })
      .setProtectedHeader({ alg: "HS256", typ: "JWT", kid, ...changes.header })
      .sign(changes.key ?? secret);

  const loggedOut = await Person.signUp(stack);
  await expectStatus(await loggedOut.call("POST", "/v1/auth/logout"), 204);
  const revoked = await person.createApiKey();
  await expectStatus(await person.call("DELETE", `/v1/api-keys/${revoked.id}`), 204);
  const dead = await (await Person.signUp(stack)).createTeam();
  const { key: deadKey } = await dead.createApiKey();
  await expectStatus(await dead.call("DELETE", `/v1/teams/${dead.teamId}`), 204);
  const [head = "", payload = "", signature = ""] = person.token.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
  const altered = Buffer.from(JSON.stringify({ ...claims, is_admin: true })).toString("base64url");
  const { key } = await person.createApiKey();

  return {
    "no credential": {},
    "an empty token": bearer(""),
    "a token of nonsense": bearer("nonsense"),
    "a token of three parts of nonsense": bearer("a.b.c"),
    "a very long token": bearer("x".repeat(8000)),
    "another scheme": { authorization: `Basic ${Buffer.from("a:b").toString("base64")}` },
    "the token without its scheme": { authorization: person.token },
    "a token that has expired": bearer(await forge({ claims: { iat: now - 7200, exp: now - 3600 } })),
    "a token that never expires": bearer(await forge({ claims: { exp: undefined } })),
    "a token of another secret": bearer(await forge({ key: new TextEncoder().encode("x".repeat(40)) })),
    "a token for hosts": bearer(await forge({ claims: { aud: "warren:host" } })),
    "a token for nobody": bearer(await forge({ claims: { aud: undefined } })),
    "a token of another issuer": bearer(await forge({ claims: { iss: "elsewhere" } })),
    "a token of another algorithm": bearer(
      await forge({ header: { alg: "HS512" }, key: new TextEncoder().encode(TEST_SECRET.repeat(2)) }),
    ),
    "a token without a signature": bearer(
      new UnsecuredJWT({ ...claims }).setIssuedAt().setExpirationTime("1h").encode(),
    ),
    "a token whose signature was cut off": bearer(`${head}.${payload}.`),
    "a token without a key's name": bearer(await forge({ header: { kid: undefined } })),
    "a token of an unknown key": bearer(await forge({ header: { kid: "0123456789abcdef" } })),
    "a token of a session that never was": bearer(await forge()),
    "a token of a session that is no UUID": bearer(await forge({ claims: { sid: "1' or '1'='1" } })),
    "a token without a user": bearer(await forge({ claims: { sub: undefined } })),
    "a token of a user that is no id": bearer(await forge({ claims: { sub: "usr-1" } })),
    "somebody's session with another user": bearer(await forge({ claims: { sid: claims.sid, sub: loggedOut.userId } })),
    "a token with a changed right": bearer(`${head}.${altered}.${signature}`),
    "a token of a session that was ended": bearer(loggedOut.token),
    "a cookie of nonsense": { cookie: "warren_session=nonsense", origin: stack.url },
    "a cookie of an ended session": { cookie: `warren_session=${loggedOut.token}`, origin: stack.url },
    "a key as a token": bearer(key),
    "a token as a key": { "x-api-key": person.token },
    "an empty key": { "x-api-key": "" },
    "a malformed key": { "x-api-key": "warren_123" },
    "an unknown key": { "x-api-key": `warren_${"0".repeat(40)}` },
    "a key in capitals": { "x-api-key": key.toUpperCase() },
    "two keys": { "x-api-key": `${key}, ${key}` },
    "a key that was revoked": { "x-api-key": revoked.key },
    "a key of a deleted team": { "x-api-key": deadKey },
    "a wrong key beside a right token": { "x-api-key": "warren_123", authorization: `Bearer ${person.token}` },
    "a wrong token beside a right cookie": {
      authorization: "Bearer nonsense",
      cookie: `warren_session=${person.token}`,
    },
  };
}
