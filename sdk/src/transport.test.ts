import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterEach, describe, expect, test } from "vitest";
import { multipartBody } from "./multipart.ts";
import { Transport } from "./transport.ts";

let server: Server;
let transport: Transport;
let sockets: Set<Socket>;

/** A server on loopback that answers as `handle` says, and a client of it. */
async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<void> {
  server = createServer(handle);
  sockets = new Set();
  server.on("connection", (socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const retry = { attempts: 3, firstDelayMs: 1 };
  transport = new Transport({ url: `http://127.0.0.1:${port}/prefix/`, apiKey: "warren_key", retry });
}

afterEach(async () => {
  transport.close();
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});

const safeGet = { method: "GET", path: "/v1/things", safe: true } as const;
const post = { method: "POST", path: "/v1/things", json: { a: 1 } } as const;

describe("transport", () => {
  test("sends the key and JSON below the prefix, and uses one connection for calls that follow each other", async () => {
    await serve(async (request, response) => {
      const body = await buffer(request);
      const { method, url, headers } = request;
      response.end(JSON.stringify({ method, url, key: headers["x-api-key"], body: body.toString() }));
    });
    for (let call = 0; call < 5; call++) {
      expect(await transport.json(post)).toEqual({
        method: "POST",
        url: "/prefix/v1/things",
        key: "warren_key",
        body: '{"a":1}',
      });
    }
    expect(sockets.size).toBe(1);
  });

  test("repeats a safe call that the server could not take", async () => {
    let calls = 0;
    await serve((_request, response) => {
      calls++;
      if (calls < 3) response.writeHead(503, { "Retry-After": "0" }).end("busy");
      else response.end('"done"');
    });
    expect(await transport.json(safeGet)).toBe("done");
    expect(calls).toBe(3);
  });

  test("repeats a safe call whose connection broke, before or within the answer", async () => {
    let calls = 0;
    await serve((request, response) => {
      calls++;
      if (calls === 1) request.socket.destroy();
      else if (calls === 2) response.write('"do', () => request.socket.destroy());
      else response.end('"done"');
    });
    expect(await transport.json(safeGet)).toBe("done");
    expect(calls).toBe(3);
  });

  test("never repeats a call that changes something", async () => {
    let calls = 0;
    await serve((request, response) => {
      calls++;
      if (calls === 1) response.writeHead(503).end("{}");
      else request.socket.destroy();
    });
    await expect(transport.json(post)).rejects.toMatchObject({ code: "internal_error" });
    await expect(transport.json(post)).rejects.toMatchObject({ code: "server_unreachable" });
    expect(calls).toBe(2);
  });

  test("throws the error of the catalogue that the server names", async () => {
    await serve((_request, response) => {
      response.writeHead(409).end(JSON.stringify({ error: { code: "invalid_state", message: "It is paused." } }));
    });
    await expect(transport.json(safeGet)).rejects.toMatchObject({ code: "invalid_state", message: "It is paused." });
  });

  test.each(["<h1>Bad gateway</h1>", '{"error":"no"}', "[]", '{"error":{"code":"newer_code","message":"Hm."}}'])(
    "makes an error of an answer that is not the API's: %s",
    async (text) => {
      await serve((_request, response) => response.writeHead(404).end(text));
      await expect(transport.json(safeGet)).rejects.toMatchObject({ code: "not_found" });
    },
  );

  test("says that nobody answers at an address", async () => {
    await serve(() => undefined);
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const alone = new Transport({ url: `http://127.0.0.1:${port}`, apiKey: "k", retry: { attempts: 1 } });
    await expect(alone.json(safeGet)).rejects.toMatchObject({
      code: "server_unreachable",
      message: expect.stringContaining(String(port)),
    });
  });

  test("refuses an address that is none", () => {
    for (const url of ["", "localhost:3000", "ftp://x", "nonsense"]) {
      expect(() => new Transport({ url, apiKey: "k" })).toThrow(/is not the address of a Warren server/);
    }
  });

  test("streams an upload and reports the failure of its source as it is", async () => {
    await serve((request, response) => {
      buffer(request).then(
        (body) => response.end(JSON.stringify(body.length)),
        () => undefined,
      );
    });
    const large = Array.from({ length: 64 }, () => Buffer.alloc(64 * 1024));
    const whole = multipartBody({ path: "/a" }, large, 4 * 1024 * 1024);
    expect(await transport.json({ method: "POST", path: "/up", body: whole })).toBe(whole.length);
    async function* broken() {
      yield Buffer.alloc(1000);
      throw new Error("the disk is gone");
    }
    const body = multipartBody({ path: "/a" }, broken());
    await expect(transport.json({ method: "POST", path: "/up", body })).rejects.toThrow("the disk is gone");
  });

  test("takes the refusal of an upload that is still under way", async () => {
    await serve((request, response) => {
      request.resume();
      response.writeHead(413).end(JSON.stringify({ error: { code: "too_large", message: "At most 1 MiB." } }));
    });
    async function* endless() {
      for (;;) yield Buffer.alloc(64 * 1024);
    }
    const body = multipartBody({ path: "/a" }, endless());
    await expect(transport.json({ method: "POST", path: "/up", body })).rejects.toMatchObject({ code: "too_large" });
  });

  test("ends with the reason of its signal", async () => {
    await serve(() => undefined);
    const controller = new AbortController();
    const call = transport.json({ ...safeGet, signal: controller.signal });
    await once(server, "request");
    controller.abort(new Error("enough"));
    await expect(call).rejects.toThrow("enough");
  });
});
