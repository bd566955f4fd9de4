import { EventEmitter, once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { parseConfig } from "../../config.ts";
import { createDatabase, type TestDatabase } from "../../database/testing/test-database.ts";
import { createLogger } from "../../logging.ts";
import { LogLines } from "../../testing/log-lines.ts";
import { Person } from "../../testing/person.ts";
import { answerOn, connectTo } from "../../testing/raw-http.ts";
import { TestStack } from "../../testing/test-stack.ts";
import { listenLocally } from "../testing/listen-locally.ts";
import { TRANSFER_LIMITS, type TransferLimits } from "./transfer-limits.ts";
import { TransferWatch, takenOf } from "./transfer-watch.ts";

const SLOW = { headersMs: 500, bodyMs: 1000, bodyBytes: 10_000, wholeBodyMs: 5000, answerMs: 1000 };
const FEW = { bodiesPerTeam: 2, bodiesPerNetwork: 3, spoolBytes: 1_000_000, spoolBytesOfAll: 1_000_000 };

const log = new LogLines();
let database: TestDatabase;
let stack: TestStack;
let id: string;

/** Has the tests of a group use a server with some limits that are not the usual ones. */
function withLimits(limits: Partial<TransferLimits>): void {
  beforeAll(async () => {
    database = await createDatabase();
    const transfers = { ...TRANSFER_LIMITS, ...limits };
    stack = await TestStack.start(database, { config: { transfers }, log: createLogger("info", log) });
    ({ id } = await stack.createSandbox());
  });
  afterAll(async () => {
    await stack?.close();
    await database?.remove();
  });
}

const FORM =
  '--x\r\nContent-Disposition: form-data; name="path"\r\n\r\nslow\r\n--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n';

/** Sends the headers of a request, and no more than the beginning of its body. */
async function begin(path: string, type: string, length: number, body: string): Promise<Socket> {
  const socket = await connectTo(stack.url);
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${stack.apiKey}\r\nContent-Type: ${type}\r\nContent-Length: ${length}`;
  await new Promise<void>((sent) => socket.write(`${head}\r\n\r\n${body}`, () => sent()));
  return socket;
}

const upload = () => begin(`/v1/sandboxes/${id}/files/stream/write`, "multipart/form-data; boundary=x", 1e9, FORM);
const isTooSlow = { status: 408, headers: { connection: "close" }, body: expect.stringContaining('"request_timeout"') };

describe("a client that sends too slowly, or does not read", () => {
  withLimits(SLOW);

  it.each(["/v1/auth/login", "/v1/sandboxes"])("a body to %s is told so", async (path) => {
    const socket = await begin(path, "application/json", 1000, "{");
    const trickle = setInterval(() => socket.write(" "), 100);
    expect(await answerOn(socket)).toMatchObject(isTooSlow);
    clearInterval(trickle);
  });

  it("a file is told so, and nothing is written", async () => {
    const socket = await upload();
    const trickle = setInterval(() => socket.write("x"), 100);
    expect(await answerOn(socket)).toMatchObject(isTooSlow);
    clearInterval(trickle);
    const look = await stack.call("POST", `/v1/sandboxes/${id}/files/read`, { path: "slow" });
    expect(look.status).toBe(404);
  });

  it.each([
    ["a refusal", "POST /v1/auth/login", "text/plain", 400],
    ["an answer that needs no body", "GET /health", "application/json", 200],
    ["the refusal of a file", "POST /v1/sandboxes/sb/files/write", "multipart/form-data; boundary=x", 404],
  ])("the rest of a body after %s loses its connection", async (_name, route, type, status) => {
    const socket = await connectTo(stack.url);
    // It may be reset, which `once` takes for a failure.
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const answered = once(socket, "data");
    socket.write(
      `${route} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${stack.apiKey}\r\nContent-Type: ${type}\r\nContent-Length: 1000000\r\n\r\n${FORM}`,
    );
    expect(String((await answered)[0])).toMatch(`HTTP/1.1 ${status} `);
    const trickle = setInterval(() => socket.write("x"), 100);
    await closed;
    clearInterval(trickle);
  });

  it("headers, or nothing at all, is told so", async () => {
    for (const bytes of ["", "GET /health HTTP/1.1\r\nHost: loc"]) {
      const socket = await connectTo(stack.url);
      socket.write(bytes);
      expect(await answerOn(socket)).toMatchObject({ status: 408, body: expect.stringContaining('"request_timeout"') });
    }
  });

  it("a client that does not take its answer is cut off", async () => {
    // More than the kernel keeps for a connection.
    await writeFile(stack.host.guest(id).path("big"), Buffer.alloc(90_000_000));
    const body = '{"path":"big"}';
    const path = `/v1/sandboxes/${id}/files/read`;
    const socket = await begin(path, "application/json", body.length, body);
    const line = () => log.lines.find((written) => written.path === path && written.msg === "an answer broke off");
    await log.until(() => line() !== undefined);
    expect(line()).toMatchObject({ err: { message: "the client takes its answer too slowly" } });
    socket.destroy();
  });
});

describe("what is under way at once", () => {
  withLimits(FEW);

  it("bodies that are under way at once are counted by team and by network", async () => {
    const open = [await upload(), await upload()];
    const send = () => stack.call("POST", `/v1/sandboxes/${id}/exec`, { cmd: "true" });
    await expect.poll(async () => (await send()).status).toBe(429);
    expect((await send()).headers.get("retry-after")).toBe("1");
    const login = () => begin("/v1/auth/login", "application/json", 1000, "{");
    open.push(await login());
    const refused = await login();
    const [head] = (await once(refused, "data")) as [Buffer];
    expect(String(head)).toMatch(/^HTTP\/1.1 429 /);
    for (const socket of [...open, refused]) socket.destroy();
    await expect.poll(async () => (await send()).status).toBe(200);
  });

  it("files that wait for their path take no more of the disk than they may", async () => {
    const write = (bytes: number) => {
      const form = new FormData();
      form.append("file", new Blob([Buffer.alloc(bytes)]));
      form.append("path", "late");
      return stack.call("POST", `/v1/sandboxes/${id}/files/write`, form);
    };
    expect((await write(1_100_000)).status).toBe(429);
    for (let round = 0; round < 3; round++) expect((await write(900_000)).status).toBe(204);
  });
});

describe("requests that are under way at once", () => {
  withLimits({ requestsPerTeam: 2, requestsPerNetwork: 3 });

  const sleep = () => {
    const body = '{"cmd":"sleep","args":["1000"]}';
    return begin(`/v1/sandboxes/${id}/exec`, "application/json", body.length, body);
  };

  /** Resolves when so many commands run: their requests are counted by then. */
  const running = (count: number) => expect.poll(() => stack.host.guest(id).processes.size).toBe(count);

  it("are counted by team and by network, however many come on one connection", async () => {
    const open = [await sleep(), await sleep()];
    await running(2);
    const list = () => stack.call("GET", "/v1/sandboxes");
    await expect.poll(async () => (await list()).status).toBe(429);
    expect((await list()).headers.get("retry-after")).toBe("1");
    // Nobody's request counts for no team.
    expect((await fetch(`${stack.url}/health`)).status).toBe(200);
    for (const socket of open) socket.destroy();
    await expect.poll(async () => (await list()).status).toBe(200);
    const request = `GET /v1/sandboxes/${id} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${stack.apiKey}\r\n`;
    const first = await sleep();
    await running(1);
    first.write(`${request}\r\n`.repeat(3));
    await expect.poll(async () => (await list()).status).toBe(429);
    first.destroy();
    await expect.poll(async () => (await list()).status).toBe(200);
  });

  it("include WebSockets for as long as they are open", async () => {
    const open = async () => {
      const socket = await connectTo(stack.url);
      const key = `X-API-Key: ${stack.apiKey}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==`;
      const upgrade = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket";
      socket.write(`GET /v1/sandboxes/${id}/exec/stream HTTP/1.1\r\n${upgrade}\r\n${key}\r\n\r\n`);
      const [head] = (await once(socket, "data")) as [Buffer];
      return { socket, head: String(head).split("\r\n", 1)[0] };
    };
    const sockets = [await open(), await open(), await open()];
    expect(sockets.map(({ head }) => head?.slice(9, 12))).toEqual(["101", "101", "429"]);
    for (const { socket } of sockets) socket.destroy();
    await expect.poll(async () => (await stack.call("GET", "/v1/sandboxes")).status).toBe(200);
  });
});

describe("a key that has all under way that its team may", () => {
  withLimits({ requestsPerTeam: 2, requestsPerUser: 2 });

  it("can be found and revoked by people of the team, which ends what it has open", async () => {
    const owner = await Person.signUp(stack);
    const { id, key } = await owner.createApiKey({ scopes: ["read"] });
    const follow = () => fetch(`${stack.url}/v1/events`, { headers: { "x-api-key": key } });
    const streams = [await follow(), await follow()];
    expect((await owner.call("GET", "/v1/sandboxes")).status).toBe(429);
    expect((await owner.get<{ id: string }[]>("/v1/api-keys")).map((found) => found.id)).toContain(id);
    expect((await owner.call("DELETE", `/v1/api-keys/${id}`)).status).toBe(204);
    // A stream of events has no end of its own: it ends with its connection, orderly or not.
    for (const stream of streams) await stream.text().catch(() => undefined);
    await expect.poll(async () => (await owner.call("GET", "/v1/sandboxes")).status).toBe(200);
  });
});

describe("connections", () => {
  withLimits({ connectionsPerNetwork: 3 });

  it("that are not used give way to new ones, and those that are used do not", async () => {
    const body = '{"cmd":"sleep","args":["1000"]}';
    const used = await begin(`/v1/sandboxes/${id}/exec`, "application/json", body.length, body);
    const idle: Socket[] = [];
    for (let n = 0; n < 2; n++) {
      const socket = await connectTo(stack.url);
      socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
      await once(socket, "data");
      idle.push(socket);
    }
    // The first has been used last.
    idle[0]!.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await once(idle[0]!, "data");
    const gone = once(idle[1]!.resume(), "close");
    const more = await connectTo(stack.url);
    more.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(String((await once(more, "data"))[0])).toMatch(/^HTTP\/1.1 200 /);
    await gone;
    idle[0]!.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(String((await once(idle[0]!, "data"))[0])).toMatch(/^HTTP\/1.1 200 /);
    expect(used.destroyed || used.readableEnded).toBe(false);
    for (const socket of [used, more, ...idle]) socket.destroy();
  });
});

describe("connections that are all used", () => {
  withLimits({ connectionsPerNetwork: 3 });

  it("leave no room", async () => {
    const used: Socket[] = [];
    for (const name of ["one", "two", "three"]) {
      const body = JSON.stringify({ cmd: "sh", args: ["-c", `echo >${name}; exec sleep 1000`] });
      used.push(await begin(`/v1/sandboxes/${id}/exec`, "application/json", body.length, body));
      // A connection is in use once its request has come.
      await expect.poll(() => existsSync(stack.host.guest(id).path(name))).toBe(true);
    }
    const health = async () => {
      const socket = await connectTo(stack.url);
      socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      return (await answerOn(socket)).body;
    };
    expect(await health()).toBe("");
    for (const socket of used) socket.destroy();
    await expect.poll(health).toContain("ok");
  });
});

describe("answers that clients do not take", () => {
  withLimits({ answerBytes: 12_000_000 });

  it("take no more memory than a team may have", async () => {
    const request = { cmd: "head", args: ["-c", "10000000", "/dev/zero"] };
    const body = JSON.stringify(request);
    const idle = await begin(`/v1/sandboxes/${id}/exec`, "application/json", body.length, body);
    await once(idle, "readable");
    const again = await stack.call("POST", `/v1/sandboxes/${id}/exec`, request);
    expect([again.status, await again.text()]).toEqual([429, expect.stringContaining("rate_limited")]);
    idle.destroy();
    await expect
      .poll(async () => {
        const answer = await stack.call("POST", `/v1/sandboxes/${id}/exec`, request);
        await answer.arrayBuffer();
        return answer.status;
      })
      .toBe(200);
  });
});

describe("the limits that servers have", () => {
  it("are those of the settings", () => {
    expect(parseConfig({}).transfers).toEqual(TRANSFER_LIMITS);
  });

  const KIB = 1024;

  /** A server of requests, and a connection to it. */
  async function serve(answer: RequestListener) {
    const server = createServer(answer);
    const url = await listenLocally(server);
    onTestFinished(() => void server.close());
    return connectTo(url);
  }

  /** Serves one request and gives a watch that has it, from its time 0 on. */
  async function withExchange(
    type: string,
    use: (parts: { watch: TransferWatch; socket: Socket; send: (bytes: number) => Promise<void> }) => Promise<void>,
  ) {
    const watch = new TransferWatch(TRANSFER_LIMITS);
    let received = 0;
    const arrivals = new EventEmitter();
    const socket = await serve((request, response) => {
      request.on("error", (error) => response.writeHead(408).end(error.message));
      request.on("data", (chunk: Buffer) => {
        received += chunk.length;
        arrivals.emit("data");
      });
      watch.add(request, response, 0);
      arrivals.emit("data");
    });
    const begun = once(arrivals, "data");
    socket.write(
      `POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: ${type}\r\nContent-Length: 1000000\r\n\r\n`,
    );
    await begun;
    const send = async (bytes: number) => {
      const until = received + bytes;
      socket.write(Buffer.alloc(bytes));
      while (received < until) await once(arrivals, "data");
    };
    await use({ watch, socket, send });
    socket.destroy();
  }

  it("end an upload that stands still for half a minute, and no sooner", async () => {
    await withExchange("multipart/form-data; boundary=x", async ({ watch, socket, send }) => {
      for (let minute = 0; minute < 10; minute++) {
        await send(40 * KIB);
        watch.check(minute * 60_000 + 1000);
        watch.check(minute * 60_000 + 30_000);
        await send(40 * KIB);
        watch.check(minute * 60_000 + 30_999);
      }
      watch.check(9 * 60_000 + 60_000);
      await send(1 * KIB);
      watch.check(9 * 60_000 + 61_000);
      expect((await answerOn(socket)).body).toContain("the body of the request came too slowly");
    });
  });

  it("end any other body after two minutes, however fast it comes", async () => {
    await withExchange("application/json", async ({ watch, socket, send }) => {
      for (let second = 0; second < 120; second += 20) {
        await send(40 * KIB);
        watch.check(second * 1000);
      }
      await send(1);
      watch.check(120_000);
      expect((await answerOn(socket)).status).toBe(408);
    });
  });

  it("let a client take its answer slowly, and end one that takes less than they say", async () => {
    const watch = new TransferWatch(TRANSFER_LIMITS);
    let connection: Socket | undefined;
    const socket = await serve((request, response) => {
      connection = request.socket;
      watch.add(request, response, 0);
      response.end(Buffer.alloc(64 * 1024 * KIB));
    });
    socket.pause();
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    // What the kernel of the client keeps by itself is all that it takes.
    let taken = -1;
    await expect
      .poll(() => {
        const before = taken;
        taken = connection === undefined ? -1 : takenOf(connection);
        return taken > 0 && taken === before;
      })
      .toBe(true);
    watch.check(1000);
    const read = async (bytes: number) => {
      for (let left = bytes; left > 0; ) {
        const piece = socket.read() as Buffer | null;
        if (piece === null) await once(socket, "readable");
        else left -= piece.length;
      }
    };
    await read(2 * TRANSFER_LIMITS.takenBytes);
    await expect.poll(() => takenOf(connection!)).toBeGreaterThan(taken + TRANSFER_LIMITS.takenBytes);
    watch.check(301_000);
    expect(connection!.destroyed).toBe(false);
    watch.check(600_999);
    expect(connection!.destroyed).toBe(false);
    watch.check(601_000);
    expect(connection!.destroyed).toBe(true);
    socket.destroy();
  });
});
