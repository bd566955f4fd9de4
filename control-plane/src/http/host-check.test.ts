import Fastify from "fastify";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { newEmail, PASSWORD, startAccountStack, upgradeStatus } from "../testing/person.ts";
import { exchange } from "../testing/raw-http.ts";
import type { TestStack } from "../testing/test-stack.ts";
import type { App } from "./app-types.ts";
import { handleErrors } from "./errors/error-handler.ts";
import { checkHosts, type HostRules, parseHost } from "./host-check.ts";

describe("a server on the loopback address", () => {
  let database: TestDatabase;
  let stack: TestStack;
  beforeAll(async () => {
    database = await createDatabase();
    const allowedHosts = ["proxy.internal", "192.0.2.7:8080"].map((text) => parseHost(text)!);
    stack = await startAccountStack(database, { config: { publicUrl: "http://warren.example/base", allowedHosts } });
  });
  afterAll(async () => {
    await stack?.close();
    await database?.remove();
  });

  /** What a page of `host` that has been rebound to the server gets. */
  const look = (host: string, path = "/v1/auth/options") =>
    exchange(stack.url, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);

  it("answers for loopback names, its public address and the hosts that the settings name", async () => {
    const { port } = new URL(stack.url);
    const own = [`127.0.0.1:${port}`, `localhost:${port}`, "localhost", "LOCALHOST:80", "127.1.2.3:81", "[::1]:81"];
    for (const host of [
      ...own,
      "warren.example",
      "warren.example.",
      "Warren.Example:80",
      "proxy.internal:1",
      "192.0.2.7:8080",
    ]) {
      expect([host, (await look(host)).status]).toEqual([host, 200]);
    }
    const foreign = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a.warren.example"];
    const elsewhere = ["192.0.2.1", "192.0.2.7", "192.0.2.7:80", "0.0.0.0", "[2001:db8::1]"];
    for (const host of [...foreign.flatMap((name) => [name, `${name}:${port}`]), ...elsewhere]) {
      expect([host, (await look(host)).status]).toEqual([host, 421]);
    }
    for (const host of ["", "a b", "user@localhost", "localhost/x", "localhost:x", "[::1"]) {
      expect([host, (await look(host)).status]).toEqual([host, 400]);
    }
  });

  it("refuses requests that name two hosts, of which a proxy may have read the other", async () => {
    const send = (target: string, hosts: string) =>
      exchange(stack.url, `GET ${target} HTTP/1.1\r\n${hosts}Connection: close\r\n\r\n`);
    expect((await send("/health", "Host: localhost\r\nHost: evil.example\r\n")).status).toBe(400);
    expect((await send("/health", "Host: localhost\r\nhost: localhost\r\n")).status).toBe(400);
    expect((await send("http://evil.example/health", "Host: localhost\r\n")).status).toBe(400);
    expect((await send("http://evil.example/health", "Host: evil.example\r\n")).status).toBe(421);
    expect((await send("http://localhost/health", "Host: localhost\r\n")).status).toBe(200);
    expect((await send("HTTP://u@evil.example/health", "Host: localhost\r\n")).status).toBe(400);
  });

  it("opens no WebSocket where there is none", async () => {
    for (const [path, status] of [
      ["/health", 400],
      ["/openapi.json", 400],
      ["/v1/sandboxes", 400],
      ["/v1/nothing", 404],
    ] as const) {
      expect([path, await upgradeStatus(stack.url, path, { "x-api-key": stack.apiKey })]).toEqual([path, status]);
    }
  });

  it("refuses other hosts on every route, and says what would admit them", async () => {
    for (const path of ["/health", "/docs", "/openapi.yaml", "/v1/nothing", "/v1/sandboxes"]) {
      const answer = await look("evil.example", path);
      expect([path, answer.status, JSON.parse(answer.body)]).toEqual([
        path,
        421,
        {
          error: { code: "misdirected_request", message: expect.stringMatching(/WARREN_ALLOWED_HOSTS.*CP_PUBLIC_URL/) },
        },
      ]);
    }
  });

  it("gives pages that were rebound to it neither an account nor a WebSocket", async () => {
    const signUp = (host: string) => {
      const body = JSON.stringify({ email: newEmail(), password: PASSWORD, name: "Eve", cookie: true });
      const headers = `Host: ${host}\r\nOrigin: http://${host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
      return exchange(stack.url, `POST /v1/auth/signup HTTP/1.1\r\n${headers}\r\nConnection: close\r\n\r\n${body}`);
    };
    expect((await signUp("evil.example")).status).toBe(421);
    expect((await signUp("localhost:80")).status).toBe(201);
    const open = (host: string) =>
      upgradeStatus(stack.url, `/v1/sandboxes/sb${"a".repeat(20)}/exec/stream`, { host, "x-api-key": stack.apiKey });
    expect(await open("evil.example")).toBe(421);
    expect(await open("localhost")).toBe(101);
  });
});

describe("a server that listens", () => {
  /** Statuses of requests for some hosts. */
  async function statuses(rules: Omit<HostRules, "allowedHosts">, hosts: string[]): Promise<number[]> {
    const app = Fastify() as unknown as App;
    handleErrors(app);
    checkHosts(app, { allowedHosts: [], ...rules });
    app.get("/", async () => "here");
    try {
      return await Promise.all(
        hosts.map(async (host) => (await app.inject({ url: "/", headers: { host } })).statusCode),
      );
    } finally {
      await app.close();
    }
  }

  it.each([
    ["192.0.2.9", "192.0.2.9"],
    ["::ffff:192.0.2.9", "192.0.2.9"],
    ["2001:db8::9", "[2001:db8::9]"],
  ])("on a name that stands for %s answers a request for that too", async (localAddress, address) => {
    const app = Fastify() as unknown as App;
    handleErrors(app);
    checkHosts(app, { allowedHosts: [], listen: { host: "warren.lan" } });
    app.get("/", async () => "here");
    // Tests have no address but those of loopback, which are served anyway.
    app.server.on("connection", (socket) => Object.defineProperty(socket, "localAddress", { value: localAddress }));
    try {
      const url = await app.listen({ host: "127.0.0.1", port: 0 });
      const { port } = new URL(url);
      const ask = async (host: string) =>
        (await exchange(url, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).status;
      expect(await Promise.all([`${address}:${port}`, address, "192.0.2.10"].map(ask))).toEqual([200, 421, 421]);
    } finally {
      await app.close();
    }
  });

  it.each(["0.0.0.0", "::"])("on %s answers for every address and for no name", async (host) => {
    const hosts = ["192.0.2.1", "192.0.2.1:3000", "[2001:db8::1]", "127.0.0.1", "0.0.0.0", "0x7f.1", "localhost"];
    expect(await statuses({ listen: { host } }, [...hosts, "evil.example"])).toEqual([...hosts.map(() => 200), 421]);
  });

  it.each([
    ["127.0.0.1", "127.0.0.1", 200],
    ["192.0.2.1", "192.0.2.1:3000", 200],
    ["192.0.2.1", "192.0.2.2", 421],
    ["2001:db8::1", "[2001:DB8:0::1]:3000", 200],
    ["Warren.lan", "warren.LAN:3000", 200],
    ["warren.lan", "192.0.2.2", 421],
  ])("on %s answers a request for %s with %i", async (host, named, status) => {
    expect(await statuses({ listen: { host } }, [named])).toEqual([status]);
  });
});
