import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http, { type IncomingMessage, type RequestListener } from "node:http";
import http2 from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer, json } from "node:stream/consumers";
import type { ServiceImpl } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { WarrenError } from "@warren/contracts/errors";
import { HostAgentService } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GuestClient } from "../guest/client.ts";
import type { SandboxRecord } from "../sandboxes/record/journal.ts";
import { DEFAULT_SPEC } from "../sandboxes/record/spec.ts";
import type { LiveMicrovm } from "../sandboxes/state/microvm.ts";
import { Sandbox } from "../sandboxes/state/sandbox.ts";
import { fileTransfers } from "./file-transfers.ts";
import { type RpcServer, serve } from "./server.ts";

const log = pino({ level: "silent" });
const ID = "sandbox";

let directory: string;
let guest: http.Server;
/** What the guest agent answers. */
let onGuest: RequestListener;
let sandbox: Sandbox;
let server: RpcServer;
let agent: http.Agent;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-rpc-"));
  guest = http.createServer((request, response) => onGuest(request, response)).listen(0, "127.0.0.1");
  await once(guest, "listening");
  sandbox = new Sandbox({
    id: ID,
    status: "running",
    lastActiveAt: 0,
    spec: { ...DEFAULT_SPEC, timeoutSec: 1 },
  } as SandboxRecord);
  const client = new GuestClient("127.0.0.1", (guest.address() as AddressInfo).port, "token");
  sandbox.attach({ guest: client } as unknown as LiveMicrovm);
  const awake = async (id: string) => {
    if (id === ID) return sandbox;
    throw new WarrenError("not_found", `there is no sandbox ${id} on this host`);
  };
  const service = { listSandboxes: () => ({ sandboxes: [] }) } as unknown as ServiceImpl<typeof HostAgentService>;
  server = await serve(socketPath(), { service, files: fileTransfers({ awake }, log) }, log);
  agent = new http.Agent({ keepAlive: true });
});
afterEach(async () => {
  agent.destroy();
  await server.close();
  guest.closeAllConnections();
  await new Promise((closed) => guest.close(closed));
  await rm(directory, { recursive: true });
});

const socketPath = () => join(directory, "agent.sock");

function start(method: string, parameters: Record<string, string>): http.ClientRequest {
  const query = new URLSearchParams({ sandbox_id: ID, path: "/file", ...parameters });
  return http.request({ socketPath: socketPath(), agent, method, path: `/files?${query}` });
}

async function answerTo(request: http.ClientRequest): Promise<IncomingMessage> {
  return (await once(request, "response"))[0];
}

const get = (parameters: Record<string, string> = {}) => answerTo(start("GET", parameters).end());
const put = (content: Buffer, parameters: Record<string, string> = {}) =>
  answerTo(start("PUT", parameters).end(content));

function rpcClient() {
  const createConnection = () => connect(socketPath());
  return createClient(
    HostAgentService,
    createConnectTransport({ baseUrl: "http://agent", httpVersion: "2", nodeOptions: { createConnection } }),
  );
}

describe("one socket", () => {
  it("serves calls over HTTP/2 and files over HTTP/1.1", async () => {
    onGuest = (_request, response) => response.end("content");
    expect((await rpcClient().listSandboxes({})).sandboxes).toEqual([]);
    expect(String(await buffer(await get()))).toBe("content");
    expect((await rpcClient().listSandboxes({})).sandboxes).toEqual([]);
  });

  it("waits for as many bytes as tell the protocols apart", async () => {
    const session = http2.connect("http://agent", {
      createConnection: () => {
        const socket = connect(socketPath());
        const { write } = socket;
        let first = true;
        // biome-ignore lint/suspicious/noExplicitAny: the overloads of write
        socket.write = (data: any, ...rest: any[]) => {
          if (!first || data.length < 2) return write.call(socket, data, ...rest);
          first = false;
          write.call(socket, data.subarray(0, 2));
          return write.call(socket, data.subarray(2), ...rest);
        };
        return socket;
      },
    });
    await once(session, "remoteSettings");
    session.destroy();
    const socket = connect(socketPath());
    for (const byte of "PUT /files HTTP/1.1\r\nHost: agent\r\nContent-Length: 0\r\n\r\n") {
      await new Promise((written) => socket.write(byte, written));
    }
    expect(String((await once(socket, "data"))[0])).toMatch(/^HTTP\/1\.1 404 /);
    socket.destroy();
  });

  it("closes at once, whatever its connections are doing", async () => {
    const asked = new Promise<void>((resolve) => {
      onGuest = () => resolve();
    });
    const silent = connect(socketPath());
    await once(silent, "connect");
    await buffer(await get({ sandbox_id: "none" }));
    const call = expect(get()).rejects.toMatchObject({ code: "ECONNRESET" });
    const session = http2.connect("http://agent", { createConnection: () => connect(socketPath()) });
    session.on("error", () => undefined);
    await Promise.all([asked, once(session, "remoteSettings")]);
    const ends = Promise.all([once(silent, "close"), once(session, "close")]);
    await server.close();
    await Promise.all([call, ends]);
    server = { close: async () => undefined };
  });
});

describe("file transfers", () => {
  const bytes = randomBytes(5_000_001);

  it("read a file byte for byte, with its length or without", async () => {
    onGuest = (request, response) => {
      const { searchParams } = new URL(request.url ?? "", "http://guest");
      expect(searchParams.get("path")).toBe("/a b/ü");
      expect(searchParams.get("username")).toBe("root");
      if (request.headers["x-access-token"] !== "token") response.writeHead(401);
      response.end(bytes);
    };
    const whole = await get({ path: "/a b/ü", user: "root" });
    expect(whole.statusCode).toBe(200);
    expect(whole.headers["content-length"]).toBe(String(bytes.length));
    expect(bytes.equals(await buffer(whole))).toBe(true);
    onGuest = (_request, response) => {
      response.flushHeaders();
      response.end(bytes);
    };
    const chunked = await get();
    expect(chunked.headers["content-length"]).toBeUndefined();
    expect(bytes.equals(await buffer(chunked))).toBe(true);
  });

  it("write a file byte for byte, and an empty one", async () => {
    const written: Buffer[] = [];
    onGuest = async (request, response) => {
      written.push(await buffer(request));
      response.end("[]");
    };
    expect((await put(bytes)).statusCode).toBe(204);
    expect((await put(Buffer.alloc(0))).statusCode).toBe(204);
    expect(bytes.equals(written[0] as Buffer)).toBe(true);
    expect(written[1]).toHaveLength(0);
  });

  it("count as activity for as long as they take", async () => {
    const asked = new Promise<() => void>((resolve) => {
      onGuest = (_request, response) => resolve(() => response.end("late"));
    });
    const answer = get();
    const finish = await asked;
    expect(sandbox.busy).toBe(true);
    finish();
    await buffer(await answer);
    expect(sandbox.busy).toBe(false);
    expect(sandbox.lastActiveAt).toBeGreaterThan(0);
  });

  it.each<[string, number, string, Record<string, string>, number?]>([
    ["an unknown sandbox", 404, "not_found", { sandbox_id: "none" }],
    ["a path with a zero byte", 400, "invalid_path", { path: "a\0b" }],
    ["a path that is too long", 400, "invalid_path", { path: "x".repeat(5000) }],
    ["a file that is not there", 404, "file_not_found", {}, 404],
    ["a directory", 400, "invalid_path", {}, 400],
    ["a full disk", 507, "disk_full", {}, 507],
  ])(
    "refuse %s in either direction, and the connection stays usable",
    async (_what, status, code, asked, answer = 200) => {
      onGuest = (request, response) => {
        request.resume();
        request.on("end", () => response.writeHead(answer).end('{"message":"no"}'));
      };
      for (const call of [() => get(asked), () => put(bytes, asked)]) {
        const response = await call();
        expect(response.statusCode).toBe(status);
        expect(await json(response)).toEqual({ error: { code, message: expect.any(String) } });
      }
      await expect.poll(() => Object.values(agent.freeSockets).flat()).toHaveLength(1);
    },
  );

  it("refuse a sandbox that does not run", async () => {
    sandbox.detach(new WarrenError("invalid_state", "paused"));
    for (const response of [await get(), await put(bytes)]) {
      expect(await json(response)).toMatchObject({ error: { code: "invalid_state" } });
    }
  });

  it("refuse other methods and places", async () => {
    expect(await json(await answerTo(start("DELETE", {}).end()))).toMatchObject({ error: { code: "invalid_request" } });
    const elsewhere = http.get({ socketPath: socketPath(), agent, path: "/etc/passwd" });
    expect(await json(await answerTo(elsewhere))).toMatchObject({ error: { code: "not_found" } });
  });

  it("end with their reason when the microVM goes before the answer", async () => {
    const asked = new Promise<void>((resolve) => {
      onGuest = (request) => {
        request.resume();
        resolve();
      };
    });
    const upload = put(bytes);
    await asked;
    sandbox.detach(new WarrenError("not_found", "the sandbox was destroyed"));
    expect(await json(await upload)).toEqual({ error: { code: "not_found", message: "the sandbox was destroyed" } });
  });

  it("break an answer that broke off in the guest", async () => {
    onGuest = (_request, response) => {
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, 100_000), () => response.socket?.resetAndDestroy());
    };
    await expect(buffer(await get())).rejects.toMatchObject({ code: "ECONNRESET" });
    onGuest = (_request, response) => response.write("some", () => response.socket?.resetAndDestroy());
    await expect(buffer(await get())).rejects.toMatchObject({ code: "ECONNRESET" });
    await expect.poll(() => sandbox.busy).toBe(false);
  });

  it.each([1000, 5_000_000])(
    "tell whose fault it is when a file of %i bytes breaks off before its first",
    async (size) => {
      onGuest = (_request, response) => {
        response.writeHead(200, { "content-length": size }).flushHeaders();
        setImmediate(() => response.socket?.resetAndDestroy());
      };
      const response = await get();
      expect([response.statusCode, await json(response)]).toMatchObject([
        504,
        { error: { code: "guest_unreachable" } },
      ]);
      await expect.poll(() => sandbox.busy).toBe(false);
    },
  );

  it.each([{ "content-length": 0 }, {}])("read an empty file with headers %j", async (headers) => {
    onGuest = (_request, response) => response.writeHead(200, headers).end();
    const response = await get();
    expect([response.statusCode, String(await buffer(response))]).toEqual([200, ""]);
  });

  it("break the upload in the guest when the caller leaves in its middle", async () => {
    const ended = new Promise<unknown>((resolve) => {
      onGuest = (request) => {
        request.once("data", () => caller.destroy());
        request.once("end", () => resolve("a whole file"));
        request.once("error", resolve);
        request.resume();
      };
    });
    const caller = start("PUT", {}).on("error", () => undefined);
    caller.write(bytes.subarray(0, 100_000));
    expect(await ended).toMatchObject({ code: "ECONNRESET" });
    await expect.poll(() => sandbox.busy).toBe(false);
  });

  it("stop to read in the guest when the caller leaves", async () => {
    const left = new Promise<void>((resolve) => {
      onGuest = (_request, response) => {
        response.writeHead(200, { "content-length": 1e12 });
        const more = () => {
          while (!response.destroyed && response.write(bytes));
          response.once("drain", more);
        };
        response.once("close", resolve);
        more();
      };
    });
    const response = await get();
    await once(response, "data");
    response.destroy();
    await left;
    await expect.poll(() => sandbox.busy).toBe(false);
  });
});
