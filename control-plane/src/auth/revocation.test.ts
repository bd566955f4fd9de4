import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeJwt, decodeProtectedHeader, type JWTHeaderParameters, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type ControlPlane, startControlPlane } from "../control-plane.ts";
import { administer } from "../database/testing/postgres-server.ts";
import { createDatabase, type TestDatabase, testDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { operate } from "../testing/operate.ts";
import { expectJson, expectStatus, Person, send, startAccountStack, TEST_SECRET } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

/** Starts a command that waits for input which never comes, and resolves once it runs. */
async function openStream(url: string, sandboxId: string, headers: Record<string, string>): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/sandboxes/${sandboxId}/exec/stream`, { headers });
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "start", cmd: "cat", stdin: true }));
  await once(socket, "message");
  return socket;
}

/** Status with which a connection is closed. */
async function closing(socket: WebSocket): Promise<number> {
  const [code] = await once(socket, "close");
  return code as number;
}

const bearer = (person: Person) => ({ authorization: `Bearer ${person.token}` });
const newSandbox = async (person: Person) =>
  (await expectJson<{ id: string }>(await person.call("POST", "/v1/sandboxes", {}), 201)).id;

describe("revocation", () => {
  const database = testDatabase();
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startAccountStack(database());
  });
  afterAll(() => stack?.close());

  it("a stream ends when its member is removed, and those of others go on", async () => {
    const owner = await Person.signUp(stack);
    const member = await owner.addMember(await Person.signUp(stack));
    const id = await newSandbox(owner);
    const [kept, ended] = [
      await openStream(stack.url, id, bearer(owner)),
      await openStream(stack.url, id, bearer(member)),
    ];
    const end = closing(ended);
    await expectStatus(await owner.call("DELETE", `/v1/teams/${owner.teamId}/members/${member.userId}`), 204);
    expect(await end).toBe(1008);
    kept.send(JSON.stringify({ type: "stdin", data: "still here" }));
    const [frame] = await once(kept, "message");
    expect(String(frame)).toContain("still here");
    kept.terminate();
  });

  it("a stream ends when its key is revoked, and those of other keys go on", async () => {
    const owner = await Person.signUp(stack);
    const id = await newSandbox(owner);
    const [first, second] = [await owner.createApiKey(), await owner.createApiKey()];
    const kept = await openStream(stack.url, id, { "x-api-key": first.key });
    const ended = await openStream(stack.url, id, { "x-api-key": second.key });
    const end = closing(ended);
    await expectStatus(await owner.call("DELETE", `/v1/api-keys/${second.id}`), 204);
    expect(await end).toBe(1008);
    expect(kept.readyState).toBe(WebSocket.OPEN);
    kept.terminate();
  });

  it("a stream ends although its client does not read that it has ended", async () => {
    const owner = await Person.signUp(stack);
    const id = await newSandbox(owner);
    const { key, id: keyId } = await owner.createApiKey();
    const stream = await openStream(stack.url, id, { "x-api-key": key });
    const [command] = stack.host.guest(id).processes;
    const ended = once(command!, "exit");
    stream.pause();
    await expectStatus(await owner.call("DELETE", `/v1/api-keys/${keyId}`), 204);
    await ended;
    stream.terminate();
    // The library's own patience is 30 seconds.
  }, 20_000);

  it("a command that is waited for ends when its key is revoked, and its caller is told so", async () => {
    const owner = await Person.signUp(stack);
    const id = await newSandbox(owner);
    const [first, second] = [await owner.createApiKey(), await owner.createApiKey()];
    const [kept, running] = [first, second].map(({ key }) =>
      send(stack.url, "POST", `/v1/sandboxes/${id}/exec`, {
        body: { cmd: "sleep", args: ["1000"] },
        headers: { "x-api-key": key },
      }),
    );
    const { processes } = stack.host.guest(id);
    await expect.poll(() => processes.size).toBe(2);
    await expectStatus(await owner.call("DELETE", `/v1/api-keys/${second.id}`), 204);
    expect(await errorOf(await running!)).toMatchObject({ status: 401, code: "unauthorized" });
    await expect.poll(() => processes.size).toBe(1);
    for (const command of processes) command.kill();
    await expectStatus(await kept!, 200);
  });

  it("a download ends when its member is removed", async () => {
    const owner = await Person.signUp(stack);
    const member = await owner.addMember(await Person.signUp(stack));
    const id = await newSandbox(owner);
    await writeFile(join(stack.host.guest(id).directory, "large"), Buffer.alloc(64 * 1024 * 1024));
    const answer = await member.call("POST", `/v1/sandboxes/${id}/files/stream/read`, { path: "large" });
    await expectStatus(answer, 200);
    await expectStatus(await owner.call("DELETE", `/v1/teams/${owner.teamId}/members/${member.userId}`), 204);
    await expect(answer.arrayBuffer()).rejects.toThrow("terminated");
  });

  it("what is under way with a key that expires ends then", async () => {
    const owner = await Person.signUp(stack);
    const id = await newSandbox(owner);
    const expiresAt = new Date(Date.now() + 4000).toISOString();
    const { key } = await owner.createApiKey({ expires_at: expiresAt });
    const headers = { "x-api-key": key };
    const body = { cmd: "sleep", args: ["1000"] };
    const running = send(stack.url, "POST", `/v1/sandboxes/${id}/exec`, { body, headers });
    const stream = await openStream(stack.url, id, headers);
    expect(await closing(stream)).toBe(1008);
    expect(await errorOf(await running)).toMatchObject({ status: 401, code: "unauthorized" });
  });

  it("a stream ends when its user logs out", async () => {
    const owner = await Person.signUp(stack);
    const id = await newSandbox(owner);
    const stream = await openStream(stack.url, id, bearer(owner));
    const end = closing(stream);
    await expectStatus(await owner.call("POST", "/v1/auth/logout"), 204);
    expect(await end).toBe(1008);
  });
});

describe("sessions that are not renewed in time", () => {
  let database: TestDatabase;
  let stack: TestStack;
  beforeAll(async () => {
    database = await createDatabase();
    stack = await startAccountStack(database);
  });
  afterAll(async () => {
    await stack?.close();
    await database?.remove();
  });

  /** The token of somebody whose session began so long ago that it ends soon. */
  async function expiring(token: string, at: Date): Promise<string> {
    return new SignJWT(decodeJwt(token))
      .setProtectedHeader(decodeProtectedHeader(token) as JWTHeaderParameters)
      .setExpirationTime(at)
      .sign(new TextEncoder().encode(TEST_SECRET));
  }

  it("end what is under way, and others do not", async () => {
    const [over, renewed] = [await Person.signUp(stack), await Person.signUp(stack)];
    const end = new Date(Date.now() + 5000);
    await administer(database.config.databaseUrl!, `update user_sessions set expires_at = '${end.toISOString()}'`);
    for (const person of [over, renewed]) person.session.token = await expiring(person.token, end);
    const id = await newSandbox(over);
    const ended = await openStream(stack.url, id, bearer(over));
    const kept = await openStream(stack.url, await newSandbox(renewed), bearer(renewed));
    const command = over.call("POST", `/v1/sandboxes/${id}/exec`, { cmd: "sleep", args: ["1000"] });
    const renewal = await renewed.call("POST", "/v1/auth/switch-team", { team_id: renewed.teamId });
    const { token } = await expectJson<{ token: string }>(renewal, 200);
    expect(await closing(ended)).toBe(1008);
    expect(Date.now()).toBeGreaterThanOrEqual(end.getTime());
    expect(await errorOf(await command)).toMatchObject({ status: 401, code: "unauthorized" });
    expect((await renewed.call("GET", "/v1/sandboxes")).status).toBe(401);
    kept.send(JSON.stringify({ type: "stdin", data: "still here" }));
    const [frame] = await once(kept, "message");
    expect(String(frame)).toContain("still here");
    const lost = closing(kept);
    renewed.session.token = token;
    await expectStatus(await renewed.call("POST", "/v1/auth/logout"), 204);
    expect(await lost).toBe(1008);
  });
});

describe("on two control planes of one database", () => {
  let database: TestDatabase;
  let first: TestStack;
  let second: ControlPlane;
  beforeAll(async () => {
    database = await createDatabase();
    first = await startAccountStack(database, { config: { jwtSecrets: [] } });
    const secretKeyFile = join(first.config.dataDir, "secret.key");
    const config = { ...first.config, dataDir: join(first.config.dataDir, "second"), secretKeyFile };
    second = await startControlPlane(config, createLogger("silent"));
  });
  afterAll(async () => {
    await second?.close();
    await first?.close();
    await database?.remove();
  });

  it("what one of them takes away ends streams of the other", async () => {
    const owner = await Person.signUp(first);
    const member = await owner.addMember(await Person.signUp(first));
    const { id: keyId, key } = await owner.createApiKey();
    const id = await newSandbox(owner);
    const streams = [
      await openStream(second.url, id, bearer(member)),
      await openStream(second.url, id, { "x-api-key": key }),
    ];
    const ends = streams.map(closing);
    await expectStatus(await owner.call("DELETE", `/v1/teams/${owner.teamId}/members/${member.userId}`), 204);
    await expectStatus(await owner.call("DELETE", `/v1/api-keys/${keyId}`), 204);
    expect(await Promise.all(ends)).toEqual([1008, 1008]);
    // A stream ends once the other control plane knows, and from then on it refuses requests too.
    expect((await send(second.url, "GET", "/v1/sandboxes", { headers: bearer(member) })).status).toBe(403);
    expect((await send(second.url, "GET", "/v1/sandboxes", { headers: { "x-api-key": key } })).status).toBe(401);
  });

  it("keys for tokens that are revoked at one of them are worth nothing at the other", async () => {
    const owner = await Person.signUp(first);
    const stream = await openStream(second.url, await newSandbox(owner), bearer(owner));
    const end = closing(stream);
    expect((await operate(first, "POST", "/signing-keys", { revoke: true })).status).toBe(204);
    expect(await end).toBe(1008);
    for (const { url } of [first, second]) {
      expect((await send(url, "GET", "/v1/me", { headers: bearer(owner) })).status).toBe(401);
    }
  });
});
