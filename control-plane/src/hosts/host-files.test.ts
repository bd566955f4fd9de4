import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it } from "vitest";
import { endServer, listenAtSocket } from "../http/testing/listen-locally.ts";
import { HostConnector } from "./host-connection.ts";
import { HostFiles } from "./host-files.ts";
import { fromRpcError } from "./rpc-errors.ts";

const file = { sandboxId: "sb1", path: "/a b/ü", user: "root" };
const bytes = randomBytes(3_000_001);
const never = new AbortController().signal;

let server: Server;
let files: HostFiles;
/** What the host answers. */
let answer: RequestListener;

beforeEach(async () => {
  server = createServer((request, response) => answer(request, response));
  files = new HostFiles(new HostConnector(await listenAtSocket(server)));
});
afterEach(() => {
  files.close();
  return endServer(server);
});

/** The error of the catalogue that a call ends with. */
async function failure(call: Promise<unknown>): Promise<{ code: string; message: string }> {
  return call.then(() => expect.unreachable(), fromRpcError);
}

it("reads and writes", async () => {
  let written: Buffer | undefined;
  answer = async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://host");
    expect(pathname).toBe("/files");
    expect(Object.fromEntries(searchParams)).toEqual({ sandbox_id: "sb1", path: "/a b/ü", user: "root" });
    if (request.method === "PUT") written = await buffer(request);
    response.writeHead(request.method === "PUT" ? 204 : 200).end(request.method === "PUT" ? "" : bytes);
  };
  await files.write(file, Readable.from([bytes.subarray(0, 1), bytes.subarray(1)]), never);
  expect(written?.equals(bytes)).toBe(true);
  expect((await buffer((await files.read(file, never)).content)).equals(bytes)).toBe(true);
});

it("keeps the code and the words of the host's errors, before it has taken all of a file", async () => {
  answer = (request, response) => {
    response.writeHead(409).end(JSON.stringify({ error: { code: "invalid_state", message: "it is paused" } }));
    request.resume();
  };
  async function* endless() {
    for (;;) yield bytes;
  }
  const paused = { code: "invalid_state", message: "it is paused" };
  expect(await failure(files.write(file, endless(), never))).toMatchObject(paused);
  expect(await failure(files.read(file, never))).toMatchObject(paused);
});

it("takes no more of an error than one can have, from a host that goes on for ever", async () => {
  let sent = 0;
  answer = (request, response) => {
    request.resume();
    response.writeHead(502);
    const more = () => {
      while (!response.destroyed && response.write(bytes)) sent += bytes.length;
    };
    response.on("drain", more);
    more();
  };
  expect((await failure(files.read(file, never))).code).toBe("agent_error");
  expect(sent).toBeLessThan(10 * bytes.length);
});

it.each(["<h1>Bad gateway</h1>", "null", "{}", '{"error":{"code":"newer_code","message":"secret"}}'])(
  "passes nothing on of an answer that is not the protocol's: %s",
  async (body) => {
    answer = (request, response) => {
      request.resume();
      response.writeHead(502).end(body);
    };
    const error = await failure(files.read(file, never));
    expect(error.code).toBe("agent_error");
    expect(error.message).not.toContain("secret");
  },
);

it("ends with the error of a source that fails, and the host sees no whole file", async () => {
  const seen = new Promise((resolve) => {
    answer = (request) => buffer(request).then(() => resolve("a whole file"), resolve);
  });
  const received = once(server, "request");
  async function* broken() {
    yield bytes;
    await received;
    throw new Error("the form is not whole");
  }
  await expect(files.write(file, broken(), never)).rejects.toThrow("the form is not whole");
  expect(await seen).toMatchObject({ code: "ECONNRESET" });
});

it("says that the host is not there when its connection breaks or cannot be made", async () => {
  answer = (request) => request.socket.destroy();
  expect(await failure(files.read(file, never))).toMatchObject({ code: "host_unavailable" });
  expect(await failure(files.write(file, Readable.from([bytes]), never))).toMatchObject({ code: "host_unavailable" });
  const nobody = new HostFiles(new HostConnector("unix:/nonexistent/agent.sock"));
  expect(await failure(nobody.read(file, never))).toMatchObject({ code: "host_unavailable" });
  expect(await failure(nobody.write(file, Readable.from([bytes]), never))).toMatchObject({ code: "host_unavailable" });
});

it("ends calls that are under way when it is closed", async () => {
  answer = () => undefined;
  const calls = [files.read(file, never), files.write(file, Readable.from([bytes]), never)].map(failure);
  await once(server, "request");
  files.close();
  for (const error of await Promise.all(calls)) expect(error.code).toBe("host_unavailable");
});
