import type { AuthResponse } from "@warren/contracts/rest/accounts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import {
  expectJson,
  expectStatus,
  newEmail,
  PASSWORD,
  Person,
  send,
  startAccountStack,
  upgradeStatus,
} from "../testing/person.ts";
import { exchange } from "../testing/raw-http.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

const FRIEND = "https://dashboard.example";
const PUBLIC_URL = "https://warren.example";

let database: TestDatabase;
let stack: TestStack;
beforeAll(async () => {
  database = await createDatabase();
  stack = await startAccountStack(database, { config: { allowedOrigins: [FRIEND] } });
});
afterAll(async () => {
  await stack?.close();
  await database?.remove();
});

/** Signs up into a cookie; gives the cookie and the answer. */
async function signUpWithCookie(
  target: { url: string } = stack,
): Promise<{ cookie: string; header: string; body: AuthResponse }> {
  const body = { email: newEmail(), password: PASSWORD, name: "Ada", cookie: true };
  const response = await send(target.url, "POST", "/v1/auth/signup", { body });
  const [header = ""] = response.headers.getSetCookie();
  return { header, cookie: header.split(";")[0]!, body: await expectJson<AuthResponse>(response, 201) };
}

describe("a session in a cookie", () => {
  it("is kept from scripts, in the cookie and in the answer", async () => {
    const { header, cookie, body } = await signUpWithCookie();
    expect(body).not.toHaveProperty("token");
    expect(JSON.stringify(body)).not.toContain(cookie.split("=")[1]);
    expect(header).toMatch(/; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/);
    expect(Date.parse(/Expires=([^;]+)/.exec(header)![1]!)).toBe(Math.floor(Date.parse(body.expires_at) / 1000) * 1000);
    const me = await send(stack.url, "GET", "/v1/me", { headers: { cookie } });
    expect(await expectJson(me, 200)).toMatchObject({ user_id: body.user_id });
  });

  it("stays in the cookie when the team changes, and goes when the user logs out", async () => {
    const { cookie, body } = await signUpWithCookie();
    const headers = { cookie, origin: stack.url };
    const switched = await send(stack.url, "POST", "/v1/auth/switch-team", {
      body: { team_id: body.team_id },
      headers,
    });
    expect(await expectJson(switched.clone(), 200)).not.toHaveProperty("token");
    const renewed = switched.headers.getSetCookie()[0]!.split(";")[0]!;
    const logout = await send(stack.url, "POST", "/v1/auth/logout", { headers: { ...headers, cookie: renewed } });
    await expectStatus(logout, 204);
    expect(logout.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^warren_session=; .*Expires=Thu, 01 Jan 1970/),
    ]);
    for (const ended of [cookie, renewed]) {
      expect((await send(stack.url, "GET", "/v1/me", { headers: { cookie: ended } })).status).toBe(401);
    }
  });

  it("changes something only for pages of the server itself and of allowed origins", async () => {
    const { cookie } = await signUpWithCookie();
    const rename = (headers: Record<string, string>) =>
      send(stack.url, "PATCH", "/v1/me", { body: { name: "Eve" }, headers: { cookie, ...headers } });
    expect((await rename({ origin: stack.url })).status).toBe(204);
    expect((await rename({ origin: FRIEND })).status).toBe(204);
    expect((await rename({ "sec-fetch-site": "same-origin" })).status).toBe(204);
    for (const headers of [
      {},
      { origin: "null" },
      { origin: "https://evil.example" },
      { origin: `${FRIEND}.evil.example` },
      { origin: stack.url.replace("127.0.0.1", "localhost") },
      { origin: stack.url.replace("http:", "app:") },
      { origin: stack.url.replace("http://", "http://evil.example@") },
      { "sec-fetch-site": "cross-site" },
    ] as Record<string, string>[]) {
      expect([headers, (await errorOf(await rename(headers))).status]).toEqual([headers, 403]);
    }
    // A look changes nothing, and its answer is not given to other pages.
    const look = await send(stack.url, "GET", "/v1/me", { headers: { cookie, origin: "https://evil.example" } });
    expect(look.status).toBe(200);
    expect(look.headers.get("access-control-allow-origin")).toBeNull();
  });

  it("opens WebSockets for its own pages only", async () => {
    const { cookie } = await signUpWithCookie();
    const created = await send(stack.url, "POST", "/v1/sandboxes", {
      body: {},
      headers: { cookie, origin: stack.url },
    });
    const { id } = await expectJson<{ id: string }>(created, 201);
    const open = (headers: Record<string, string>) =>
      upgradeStatus(stack.url, `/v1/sandboxes/${id}/exec/stream`, { cookie, ...headers });
    expect(await open({ origin: stack.url })).toBe(101);
    expect(await open({ origin: "https://evil.example" })).toBe(403);
    expect(await open({})).toBe(403);
  });

  it("is Secure, and bound to its host, when the settings say that browsers come by https", async () => {
    const other = await createDatabase();
    const secure = await startAccountStack(other, { config: { publicUrl: PUBLIC_URL } });
    try {
      const { header, cookie } = await signUpWithCookie(secure);
      expect(header).toMatch(/^__Host-warren_session=.*; Path=\/; .*HttpOnly; Secure; SameSite=Lax$/);
      const answer = await send(secure.url, "PATCH", "/v1/me", {
        body: { name: "Ada" },
        headers: { cookie, origin: PUBLIC_URL },
      });
      await expectStatus(answer, 204);
      expect(answer.headers.get("strict-transport-security")).toBe("max-age=31536000");
      // Whoever is between browser and server may put words into pages that come without https.
      const plain = await exchange(
        secure.url,
        `PATCH /v1/me HTTP/1.1\r\nHost: warren.example\r\nOrigin: http://warren.example\r\nCookie: ${cookie}\r\nConnection: close\r\n\r\n`,
      );
      expect(plain.status).toBe(403);
    } finally {
      await secure.close();
      await other.remove();
    }
  });
});

describe("pages of other origins", () => {
  it("cannot sign anybody in or up", async () => {
    const body = { email: newEmail(), password: PASSWORD, name: "Ada" };
    const headers = { origin: "https://evil.example" };
    for (const path of ["/v1/auth/signup", "/v1/auth/login"]) {
      expect((await send(stack.url, "POST", path, { body, headers })).status).toBe(403);
    }
    expect(
      (await send(stack.url, "POST", "/v1/auth/login", { body: { email: body.email, password: PASSWORD } })).status,
    ).toBe(401);
  });

  it("are told nothing by CORS, unless they are allowed", async () => {
    const preflight = (origin: string) =>
      fetch(`${stack.url}/v1/sandboxes`, {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "x-api-key" },
      });
    const foreign = await preflight("https://evil.example");
    expect(foreign.headers.get("access-control-allow-origin")).toBeNull();
    const allowed = await preflight(FRIEND);
    expect(allowed.headers.get("access-control-allow-origin")).toBe(FRIEND);
    expect(allowed.headers.get("access-control-allow-credentials")).toBe("true");
    const other = await createDatabase();
    const plain = await startAccountStack(other);
    try {
      const answer = await fetch(`${plain.url}/health`, { headers: { origin: FRIEND } });
      expect([...answer.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
    } finally {
      await plain.close();
      await other.remove();
    }
  });
});

describe("headers", () => {
  it("keep browsers from guessing, framing and caching", async () => {
    const person = await Person.signUp(stack);
    const { headers } = await person.call("GET", "/v1/me");
    expect(Object.fromEntries(headers)).toMatchObject({
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
      "content-security-policy": expect.stringContaining("frame-ancestors 'none'"),
    });
    expect(headers.get("strict-transport-security")).toBeNull();
    expect(headers.get("x-powered-by")).toBeNull();
  });

  it.each([
    ["http", undefined],
    ["https", PUBLIC_URL],
  ])("are the same for every answer to a browser that comes by %s, byte for byte", async (scheme, publicUrl) => {
    const other = await createDatabase();
    const target = await startAccountStack(other, publicUrl === undefined ? {} : { config: { publicUrl } });
    try {
      const expected = [
        "Content-Security-Policy: default-src 'self';img-src 'self' data:;object-src 'none';base-uri 'none';form-action 'self';frame-ancestors 'none'",
        "Cross-Origin-Opener-Policy: same-origin",
        "Cross-Origin-Resource-Policy: same-origin",
        "Origin-Agent-Cluster: ?1",
        "Referrer-Policy: no-referrer",
        ...(scheme === "https" ? ["Strict-Transport-Security: max-age=31536000"] : []),
        "X-Content-Type-Options: nosniff",
        "X-DNS-Prefetch-Control: off",
        "X-Download-Options: noopen",
        "X-Frame-Options: DENY",
        "X-Permitted-Cross-Domain-Policies: none",
        "X-XSS-Protection: 0",
      ];
      for (const path of ["/health", "/openapi.json", "/v1/me", "/nowhere"]) {
        const request = `GET ${path} HTTP/1.1\r\nHost: ${new URL(target.url).host}\r\nConnection: close\r\n\r\n`;
        const { head } = await exchange(target.url, request);
        expect(head.slice(1, 1 + expected.length)).toEqual(expected);
      }
    } finally {
      await target.close();
      await other.remove();
    }
  });

  it("let the Swagger UI load what it needs from this server", async () => {
    const page = await fetch(`${stack.url}/docs/`);
    expect(page.status).toBe(200);
    const policy = page.headers.get("content-security-policy")!;
    const html = await page.text();
    const sources = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source!);
    expect(sources.length).toBeGreaterThan(3);
    for (const source of sources) {
      const asset = await fetch(new URL(source, `${stack.url}/docs/`));
      expect([source, asset.status]).toEqual([source, 200]);
      expect(new URL(source, `${stack.url}/docs/`).origin).toBe(stack.url);
    }
    // Without a rule for scripts, that for everything holds (CSP 3, section 6.8.3).
    expect(policy).toMatch(/(?:script|default)-src 'self'(?:;| )/);
    // Scripts in the page itself must be named by their hash.
    expect(html.match(/<script(?![^>]*src=)[^>]*>[^<]+/g) ?? []).toEqual([]);
  });
});

describe("bodies of requests with credentials", () => {
  it("are small JSON objects", async () => {
    const big = await send(stack.url, "POST", "/v1/auth/login", {
      body: { email: "a@example.org", password: "x".repeat(20_000) },
    });
    expect(await errorOf(big)).toMatchObject({ status: 413, code: "too_large" });
    for (const [type, body] of [
      ["text/plain", JSON.stringify({ email: "a@example.org", password: "x" })],
      ["application/x-www-form-urlencoded", "email=a@example.org&password=x"],
      ["application/json", "{"],
      ["application/json", '{"email":"a@example.org","password":"x","__proto__":{"is_admin":true}}'],
    ]) {
      const answer = await fetch(`${stack.url}/v1/auth/login`, {
        method: "POST",
        headers: { "content-type": type! },
        body: body!,
      });
      expect([type, body, answer.status]).toEqual([type, body, 400]);
    }
  });
});
