import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { LIMITS } from "@warren/contracts/limits";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GuestClient } from "../../guest/client.ts";
import { CALL_LIMITS, CallBounds } from "../capacity/call-bounds.ts";
import type { SandboxRecord } from "../record/journal.ts";
import type { LiveMicrovm } from "../state/microvm.ts";
import { Sandbox } from "../state/sandbox.ts";
import { type FilePart, guestPath, readWholeFile, sendFile, streamFile, writeFile } from "./files.ts";

/** Files of a guest whose agent keeps them by path, and what was asked of it. */
let files: Map<string, Buffer>;
let asked: Record<string, string>[];
let server: Server;
let sandbox: Sandbox;

beforeEach(async () => {
  files = new Map();
  asked = [];
  server = createServer(async (request, response) => {
    const query = new URL(request.url ?? "", "http://guest").searchParams;
    asked.push(Object.fromEntries(query));
    const path = query.get("path") ?? "";
    if (request.method === "POST") {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      files.set(path, Buffer.concat(pieces));
      response.writeHead(200, { "content-type": "application/json" }).end("[]");
      return;
    }
    const content = files.get(path);
    const missing = JSON.stringify({ code: "not_found", message: `${path} is not there` });
    if (content) response.writeHead(200, { "content-length": content.length }).end(content);
    else response.writeHead(404, { "content-type": "application/json" }).end(missing);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  sandbox = new Sandbox({ id: "sb", teamId: "team", status: "running" } as SandboxRecord);
  sandbox.begin();
  const guest = new GuestClient("127.0.0.1", (server.address() as AddressInfo).port, "token");
  sandbox.attach({ guest } as LiveMicrovm);
});
afterEach(() => {
  sandbox.live?.guest.close();
  server.closeAllConnections();
  server.close();
});

async function parts(stream: AsyncIterable<FilePart>): Promise<{ size: number | undefined; content: string }> {
  const pieces: Uint8Array[] = [];
  let size: number | undefined;
  for await (const part of stream) {
    if ("size" in part) size = part.size;
    else pieces.push(part.chunk);
  }
  return { size, content: Buffer.concat(pieces).toString() };
}

test("a file is written in pieces, and read as a whole, as a stream and into a stream", async () => {
  await writeFile(sandbox, { path: "/f", user: "root", mode: "0600" }, [Buffer.from("one "), Buffer.from("two")]);
  expect(asked).toEqual([{ path: "/f", username: "root", mode: "0600" }]);
  expect((await readWholeFile(sandbox, "/f", "root")).toString()).toBe("one two");
  expect(await parts(streamFile(sandbox, "/f", undefined))).toEqual({ size: 7, content: "one two" });
  const destination = new PassThrough();
  let size: number | undefined;
  const never = new AbortController().signal;
  const [content] = await Promise.all([
    text(destination),
    sendFile(
      sandbox,
      { path: "/f" },
      (file) => {
        size = file.size;
        return destination;
      },
      never,
    ),
  ]);
  expect({ size, content }).toEqual({ size: 7, content: "one two" });
});

test("a directory is asked for as an archive", async () => {
  files.set("/d", Buffer.from("an archive"));
  const destination = new PassThrough();
  const never = new AbortController().signal;
  const sent = sendFile(sandbox, { path: "/d", archive: "tar" }, () => destination, never);
  expect(await text(destination)).toBe("an archive");
  await sent;
  expect(asked).toEqual([{ path: "/d", archive: "tar" }]);
});

test("an empty path is the home, and what no file can be named is refused before the guest is asked", async () => {
  expect(guestPath("")).toBe(".");
  const long = "x".repeat(LIMITS.pathBytes + 1);
  for (const path of ["a\0b", long]) {
    await expect(writeFile(sandbox, { path, user: undefined }, [])).rejects.toMatchObject({ code: "invalid_path" });
    await expect(readWholeFile(sandbox, path, undefined)).rejects.toMatchObject({ code: "invalid_path" });
  }
  expect(asked).toEqual([]);
  expect(guestPath(long.slice(1))).toBe(long.slice(1));
});

test("what is read as a whole counts in its team's share of what is held, until it has been read or given up", async () => {
  const mib = 1024 ** 2;
  sandbox.bounds = new CallBounds({ ...CALL_LIMITS, outputPerTeam: 3 * mib });
  files.set("/large", Buffer.alloc(4 * mib));
  files.set("/fits", Buffer.alloc(2 * mib, "x"));
  await expect(readWholeFile(sandbox, "/large", undefined)).rejects.toMatchObject({ code: "rate_limited" });
  for (let attempt = 0; attempt < 2; attempt++) {
    expect(await readWholeFile(sandbox, "/fits", undefined)).toHaveLength(2 * mib);
  }
});

test("a file that is not there is told before anything is opened for it", async () => {
  let isOpened = false;
  const open = () => {
    isOpened = true;
    return new PassThrough();
  };
  const sent = sendFile(sandbox, { path: "/none" }, open, new AbortController().signal);
  await expect(sent).rejects.toMatchObject({ code: "file_not_found" });
  expect(isOpened).toBe(false);
});

test("no file of a sandbox that does not run is read or written", async () => {
  sandbox.moveTo("pausing");
  await expect(readWholeFile(sandbox, "/f", undefined)).rejects.toMatchObject({ code: "invalid_state" });
  await expect(writeFile(sandbox, { path: "/f", user: undefined }, [])).rejects.toMatchObject({
    code: "invalid_state",
  });
  expect(asked).toEqual([]);
});
