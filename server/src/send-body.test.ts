import { once } from "node:events";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sendBody } from "./send-body.ts";

const PIECE = Buffer.alloc(64 * 1024);
const REFUSAL = "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno.";

let server: Server;
let agent: Agent;
/** Pieces that were taken from the source, and whether it was told to end. */
let taken: number;
let ended: boolean;

beforeEach(async () => {
  server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  agent = new Agent({ keepAlive: true });
  taken = 0;
  ended = false;
});
afterEach(() => {
  agent.destroy();
  server.close();
});

async function* pieces(count: number) {
  try {
    for (; taken < count; taken++) yield PIECE;
  } finally {
    ended = true;
  }
}

function send(body: AsyncIterable<Uint8Array>, signal = new AbortController().signal): Promise<IncomingMessage> {
  const { port } = server.address() as AddressInfo;
  const request = httpRequest({ host: "127.0.0.1", port, method: "PUT", agent, signal });
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve).on("error", reject);
  });
  answer.catch(() => undefined);
  return sendBody(request, answer, body);
}

/** The connection that a request comes on, of which nothing is read. */
async function connection(): Promise<Socket> {
  const [socket] = (await once(server, "connection")) as [Socket];
  socket.on("error", () => undefined);
  return socket;
}

test("an answer counts while the body is not sent, and the rest of it is not", async () => {
  const answer = send(pieces(Number.POSITIVE_INFINITY));
  const socket = await connection();
  socket.write(REFUSAL);
  const response = await answer;
  expect(response.statusCode).toBe(413);
  expect(await text(response)).toBe("no.");
  socket.resume();
  await once(socket, "close");
  expect(ended).toBe(true);
});

test("the source is asked for no more than the connection has room for", async () => {
  const answer = send(pieces(1000));
  const socket = await connection();
  let received = 0;
  let ahead = 0;
  let end = "";
  socket.on("data", (data: Buffer) => {
    received += data.length;
    ahead = Math.max(ahead, taken * PIECE.length - received);
    end = (end + data.toString("latin1")).slice(-5);
    if (end === "0\r\n\r\n") socket.write("HTTP/1.1 204 No Content\r\n\r\n");
  });
  socket.resume();
  expect((await answer).statusCode).toBe(204);
  expect(taken).toBe(1000);
  // Far more than the buffers of two sockets, and far less than the body.
  expect(ahead).toBeLessThan(32 * 1024 * 1024);
});

test("a connection whose body was sent is used again", async () => {
  let connections = 0;
  server.on("connection", (socket: Socket) => {
    connections += 1;
    socket.on("data", (data) => data.includes("0\r\n\r\n") && socket.write("HTTP/1.1 204 No Content\r\n\r\n"));
    socket.resume();
  });
  for (const _ of [1, 2]) {
    taken = 0;
    const response = await send(pieces(1));
    response.resume();
    await once(response, "close");
  }
  expect(connections).toBe(1);
});

test("a source that fails breaks the connection, and its error is told", async () => {
  async function* broken() {
    yield PIECE;
    throw new Error("the disk is gone");
  }
  const answer = send(broken());
  const seen = connection().then(async (socket) => {
    let received = "";
    socket.on("data", (data) => {
      received = received.slice(-5) + data.toString("latin1").slice(-5);
    });
    socket.resume();
    await once(socket, "close");
    return received;
  });
  await expect(answer).rejects.toThrow("the disk is gone");
  expect(await seen).not.toContain("0\r\n\r\n");
});

test("a caller that leaves ends both the connection and the source", async () => {
  const leaving = new AbortController();
  const answer = send(pieces(Number.POSITIVE_INFINITY), leaving.signal);
  const socket = await connection();
  leaving.abort();
  await expect(answer).rejects.toMatchObject({ name: "AbortError" });
  socket.resume();
  await once(socket, "close");
  expect(ended).toBe(true);
});

test("a connection that breaks without an answer is told", async () => {
  const answer = send(pieces(Number.POSITIVE_INFINITY));
  (await connection()).destroy();
  await expect(answer).rejects.toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) });
  expect(ended).toBe(true);
});
