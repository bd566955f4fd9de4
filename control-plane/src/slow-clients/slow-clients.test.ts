import { EventEmitter, once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../config.ts";
import { createDatabase, type TestDatabase } from "../database/testing/each-database.ts";
import { createLogger } from "../logging.ts";
import { LogLines } from "../testing/log-lines.ts";
import { answerOn, connectTo } from "../testing/raw-http.ts";
import { TestStack } from "../testing/test-stack.ts";
import { TRANSFER_LIMITS, type TransferLimits } from "./transfer-limits.ts";
import { TransferWatch } from "./transfer-watch.ts";

const SLOW = { headersMs: 500, bodyMs: 1000, bodyBytes: 10_000, wholeBodyMs: 5000, answerMs: 1000 };
const FEW = { bodiesPerTeam: 2, bodiesPerNetwork: 3, spoolBytes: 1_000_000, spoolBytesOfAll: 1_000_000 };

const log = new LogLines();
let database: TestDatabase;
let stack: TestStack;
let id: string;

/** Has the tests of a group use a server with some limits that are not the usual ones. */
function withLimits(limits: Partial<TransferLimits>): void {
  beforeAll(async () => {
    database = await createDatabase("PGlite");
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
    expect(line()).toMatchObject({ err: { message: "the client takes nothing of its answer" } });
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

describe("the limits that servers have", () => {
  it("are those of the settings", () => {
    expect(parseConfig({}).transfers).toEqual(TRANSFER_LIMITS);
  });

  const KIB = 1024;

  /** Serves one request and gives a watch that has it, from its time 0 on. */
  async function withExchange(
    type: string,
    use: (parts: { watch: TransferWatch; socket: Socket; send: (bytes: number) => Promise<void> }) => Promise<void>,
  ) {
    const watch = new TransferWatch(TRANSFER_LIMITS);
    let received = 0;
    const arrivals = new EventEmitter();
    const server = createServer((request, response) => {
      request.on("error", (error) => response.writeHead(408).end(error.message));
      request.on("data", (chunk: Buffer) => {
        received += chunk.length;
        arrivals.emit("data");
      });
      watch.add(request, response, 0);
      arrivals.emit("data");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = await connectTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
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
    server.close();
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
});
