import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import { Files } from "./files.ts";
import { Transport } from "./transport.ts";

/** Files of a sandbox whose server is a listener. */
async function filesOf(listener: RequestListener): Promise<Files> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const transport = new Transport({ url: `http://127.0.0.1:${port}`, apiKey: "warren_key", retry: { attempts: 1 } });
  return new Files(transport, "/v1/sandboxes/sb1");
}

describe("a directory of a sandbox", () => {
  test("comes and goes as an archive of any length, and one hears how much of it has", async () => {
    const asked: string[] = [];
    const archive = Buffer.alloc(3_000_000, "tar");
    let received = Buffer.alloc(0);
    const files = await filesOf(async (request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers["content-type"]}`);
      if (request.method !== "PUT") return void response.end(archive);
      received = await buffer(request);
      response.writeHead(204).end();
    });
    const seen = { down: 0, up: 0, file: 0 };
    const got = await files.openArchive("/srv/a b", { user: "root", onProgress: (bytes) => (seen.down = bytes) });
    await files.writeArchive("copy", got, { onProgress: (bytes) => (seen.up = bytes) });
    await files.read("x", { onProgress: (bytes) => (seen.file = bytes) });
    expect(received.equals(archive)).toBe(true);
    expect(seen).toEqual({ down: archive.length, up: archive.length, file: archive.length });
    expect(asked.slice(0, 2)).toEqual([
      "GET /v1/sandboxes/sb1/files/archive?path=%2Fsrv%2Fa+b&user=root undefined",
      "PUT /v1/sandboxes/sb1/files/archive?path=copy application/x-tar",
    ]);
    expect(files.downloadUrl("/a b").pathname + files.downloadUrl("/a b").search).toBe(
      "/v1/sandboxes/sb1/files/download?path=%2Fa+b",
    );
    expect(files.downloadUrl("d", { archive: true }).pathname).toBe("/v1/sandboxes/sb1/files/archive");
  });

  test("that breaks off on its way is an error for whoever reads it", async () => {
    const files = await filesOf((_request, response) => {
      response.write("half");
      setImmediate(() => response.destroy());
    });
    const archive = await files.openArchive("d", { onProgress: () => undefined });
    await expect(text(archive)).rejects.toThrow("aborted");
  });

  test("is given up when it is aborted, with the reason, in both directions", async () => {
    const files = await filesOf((request, response) => {
      if (request.method === "GET") response.write("begins");
      else request.resume();
    });
    const down = new AbortController();
    const archive = await files.openArchive("d", { signal: down.signal, onProgress: () => undefined });
    down.abort(new Error("enough"));
    await expect(text(archive)).rejects.toThrow();
    const up = new AbortController();
    async function* endless() {
      for (;;) {
        yield Buffer.alloc(1000);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const sent = files.writeArchive("d", endless(), {
      signal: up.signal,
      onProgress: () => up.abort(new Error("enough")),
    });
    await expect(sent).rejects.toThrow("enough");
  });

  test("that the server refuses says why, though not all of it is sent", async () => {
    const files = await filesOf((_request, response) => {
      response.writeHead(409).end(JSON.stringify({ error: { code: "conflict", message: "in the way" } }));
    });
    const archive = Array.from({ length: 1000 }, () => Buffer.alloc(100_000));
    await expect(files.writeArchive("d", archive)).rejects.toMatchObject({ code: "conflict", message: "in the way" });
  });
});
