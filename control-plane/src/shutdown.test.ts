import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openDatabase } from "./database/database.ts";
import { createDatabase, type TestDatabase } from "./database/testing/test-database.ts";
import { TRANSFER_LIMITS } from "./http/slow-clients/transfer-limits.ts";
import { createLogger } from "./logging.ts";
import { connectTo } from "./testing/raw-http.ts";
import { errorOf, TestStack } from "./testing/test-stack.ts";

let database: TestDatabase;
let stack: TestStack;
beforeEach(async () => {
  database = await createDatabase();
  stack = await TestStack.start(database, { config: { transfers: { ...TRANSFER_LIMITS, endMs: 1000 } } });
});
afterEach(async () => {
  await stack?.close();
  await database?.remove();
});

/** A creation that the host holds up until it is let go. */
function heldCreation() {
  const reached = Promise.withResolvers<string>();
  const go = Promise.withResolvers<void>();
  stack.host.onCreate = (request) => {
    reached.resolve(request.sandboxId);
    return go.promise;
  };
  return { reached: reached.promise, go: go.resolve };
}

/** What the database says of a sandbox after the control plane has gone. */
async function rowOf(id: string) {
  const reopened = await openDatabase(database.config, createLogger("silent"));
  try {
    return await reopened.db.selectFrom("sandboxes").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
  } finally {
    await reopened.close();
  }
}

const takesConnections = () =>
  fetch(`${stack.url}/health`).then(
    () => true,
    () => false,
  );

it("answers what is under way, and takes nothing new", async () => {
  const { reached, go } = heldCreation();
  const creation = stack.call("POST", "/v1/sandboxes", {});
  const id = await reached;
  const closing = stack.controlPlane.close();
  await expect.poll(takesConnections).toBe(false);
  go();
  expect((await creation).status).toBe(201);
  await closing;
  expect(await rowOf(id)).toMatchObject({ status: "running" });
});

it("tells a client that it does not wait for it any more", async () => {
  const { id } = await stack.createSandbox();
  const exec = stack.call("POST", `/v1/sandboxes/${id}/exec`, { cmd: "sleep", args: ["600"] });
  await expect.poll(() => stack.host.guest(id).processes.size).toBe(1);
  const closing = stack.controlPlane.close();
  expect(await errorOf(await exec)).toMatchObject({ status: 503, code: "server_stopping" });
  await closing;
});

it("tells a request that still comes on an open connection", async () => {
  const { reached, go } = heldCreation();
  const socket = await connectTo(stack.url);
  const request = (method: string, body: string) =>
    `${method} /v1/sandboxes HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${stack.apiKey}\r\n${body}`;
  socket.write(request("POST", "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"));
  await reached;
  const closing = stack.controlPlane.close();
  await expect.poll(takesConnections).toBe(false);
  await new Promise<void>((sent) => socket.write(request("GET", "\r\n"), () => sent()));
  const answers = text(socket);
  go();
  expect(await answers).toMatch(/^HTTP\/1\.1 201 .*HTTP\/1\.1 503 .*{"error":{"code":"server_stopping"/s);
  await closing;
});

it("waits for creations whose clients have gone", async () => {
  const { reached, go } = heldCreation();
  const client = new AbortController();
  const creation = stack.call("POST", "/v1/sandboxes", {}, { signal: client.signal });
  const id = await reached;
  client.abort();
  await expect(creation).rejects.toThrow();
  const closing = stack.controlPlane.close();
  go();
  await closing;
  expect(await rowOf(id)).toMatchObject({ status: "running" });
});

it("writes times of last use that are still pending", async () => {
  const { id } = await stack.createSandbox();
  const created = (await rowOf(id)).last_active_at!;
  expect((await stack.call("POST", `/v1/sandboxes/${id}/exec`, { cmd: "true" })).status).toBe(200);
  await stack.controlPlane.close();
  expect((await rowOf(id)).last_active_at!.getTime()).toBeGreaterThan(created.getTime());
});
