import type { Host, HostCredentials, NewHost } from "@warren/contracts/rest/hosts";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startControlPlane } from "../control-plane.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { createLogger } from "../logging.ts";
import { query } from "../testing/audit-events.ts";
import { expectJson, expectStatus, type Person, send, startAdminStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

const NOBODY = "f".repeat(64);

let sockets = 0;
/** An address at which nobody answers. */
const newAddress = () => `unix:/run/nobody-${process.pid}-${++sockets}.sock`;
const create = async (admin: Person) =>
  expectJson<NewHost>(await admin.call("POST", "/v1/hosts", { type: "regular" }), 201);
const registerAt = (stack: TestStack, token: string, more: object = {}) =>
  send(stack.url, "POST", "/v1/hosts/register", { body: { token, address: newAddress(), ...more } });
const heartbeatAt = (stack: TestStack, id: string, token: string, body: object = {}) =>
  send(stack.url, "POST", `/v1/hosts/${id}/heartbeat`, { body, headers: { "x-host-token": token } });
/** A host that has registered. */
const registeredAt = async (stack: TestStack, admin: Person) => {
  const { host, registration_token } = await create(admin);
  const given = await expectJson<HostCredentials>(await registerAt(stack, registration_token), 201);
  return { id: host.id, ...given };
};

describe("credentials of hosts", () => {
  const database = testDatabase();
  let stack: TestStack;
  let admin: Person;
  let db: pg.Pool;
  beforeAll(async () => {
    ({ stack, admin } = await startAdminStack(database()));
    db = new pg.Pool({ connectionString: database().config.databaseUrl });
  });
  afterAll(async () => {
    await db?.end();
    await stack?.close();
  });

  const registered = () => registeredAt(stack, admin);
  const heartbeat = (id: string, token: string, body?: object) => heartbeatAt(stack, id, token, body);
  const refresh = (refresh_token: string) =>
    send(stack.url, "POST", "/v1/hosts/auth/refresh", { body: { refresh_token } });

  const renew = async (refresh_token: string) => expectJson<HostCredentials>(await refresh(refresh_token), 200);

  it("credentials are renewed, and the former ones end once the new ones are used", async () => {
    const { id, token, refresh_token } = await registered();
    const renewed = await renew(refresh_token);
    expect(renewed.host.id).toBe(id);
    expect((await heartbeat(id, renewed.token)).status).toBe(204);
    // A token ends with its time; it is the refresh token that was used.
    expect((await heartbeat(id, token)).status).toBe(204);
    const last = await renew(renewed.refresh_token);
    for (const bad of [refresh_token, NOBODY, "", token, "invalid"]) {
      expect(await errorOf(await refresh(bad))).toMatchObject({ status: 401, code: "unauthorized" });
    }
    await db.query("update host_refresh_tokens set expires_at = expires_at - interval '60 days'");
    expect((await refresh(last.refresh_token)).status).toBe(401);
  });

  it("a host that is cut off from the answer renews its credentials again, for an hour", async () => {
    const { id, refresh_token } = await registered();
    const lost = [await renew(refresh_token), await renew(refresh_token)];
    const arrived = await renew(refresh_token);
    expect((await heartbeat(id, arrived.token)).status).toBe(204);
    // Whoever has read what was lost on the way can do nothing with it.
    for (const { refresh_token } of lost) expect((await refresh(refresh_token)).status).toBe(401);
    await db.query("update host_refresh_tokens set revoked_at = revoked_at - interval '1 hour' where host_id = $1", [
      fromWireId("host", id),
    ]);
    expect((await refresh(refresh_token)).status).toBe(401);
    expect((await refresh(arrived.refresh_token)).status).toBe(200);
  });

  it("of many that renew credentials at the same moment, one has the last word", async () => {
    const { refresh_token } = await registered();
    const many = await Promise.all(Array.from({ length: 8 }, () => renew(refresh_token)));
    let alive = 0;
    for (const { refresh_token } of many) if ((await refresh(refresh_token)).status === 200) alive++;
    expect(alive).toBe(1);
    expect((await refresh(refresh_token)).status).toBe(401);
  });

  it("what is used and what it was used for do not outlive each other when both are shown at the same moment", async () => {
    const { refresh_token } = await registered();
    const next = await renew(refresh_token);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) => refresh(n % 2 ? refresh_token : next.refresh_token)),
    );
    const taken = answers.filter(({ status }) => status !== 401);
    const given = await Promise.all(taken.map((answer) => expectJson<HostCredentials>(answer, 200)));
    // Of both and of all that was given for them, one chain goes on.
    const one = await refresh(refresh_token);
    const other = await refresh(next.refresh_token);
    expect([one.status, other.status].sort()).toEqual([200, 401]);
    for (const { refresh_token } of given) expect((await refresh(refresh_token)).status).toBe(401);
  });

  it("what a newer host agent says besides is left alone", async () => {
    const { host, registration_token } = await create(admin);
    const load = { running: 1, paused: 2, sandboxes_limit: 9, memory_mb_taken: 512, memory_mb_limit: 8192 };
    const known = { load: { ...load, disk_mb_left: 7, cpu_load: 0.5 }, templates: [{ name: "minimal" }] };
    const more = {
      ...{ gpus: 2, load: { ...known.load, gpus_taken: 1 } },
      ...{ templates: [{ name: "minimal", checksum: "x" }] },
    };
    const given = await expectJson<HostCredentials>(await registerAt(stack, registration_token, more), 201);
    for (const beat of [false, true]) {
      if (beat) await expectStatus(await heartbeat(host.id, given.token, more), 204);
      const { rows } = await db.query("select metadata from hosts where id = $1", [fromWireId("host", host.id)]);
      expect(rows).toEqual([{ metadata: known }]);
    }
    const body = { refresh_token: given.refresh_token, reason: "expired" };
    await expectStatus(await send(stack.url, "POST", "/v1/hosts/auth/refresh", { body }), 200);
  });

  it("who gives no valid token is refused before what it says is read", async () => {
    const headers = { "x-host-token": "a.b.c", "content-type": "application/json" };
    const { id } = await registered();
    const answer = await fetch(`${stack.url}/v1/hosts/${id}/heartbeat`, { method: "POST", headers, body: "{" });
    expect(await errorOf(answer)).toMatchObject({ status: 401, code: "unauthorized" });
  });

  it("the host of the machine is handed one token however often it cannot register, and another once that is refused", async () => {
    const { membership } = stack.host;
    const tokens: string[] = [];
    const join = membership.join.bind(membership);
    membership.join = async (request, address) => {
      if (request.token !== "") tokens.push(request.token);
      if (request.token !== "" && tokens.length < 3) throw new Error("no way to the control plane");
      if (tokens.length === 3) await db.query("delete from one_time_tokens");
      return join(request, address);
    };
    membership.credentials = undefined;
    await stack.host.hangUp();
    await stack.host.listen();
    await expect.poll(() => membership.credentials !== undefined, { timeout: 60_000 }).toBe(true);
    const [one, , , other] = tokens;
    expect(tokens).toEqual([one, one, one, other]);
    expect(other).not.toBe(one);
    membership.join = join;
  });
});

describe("signs of life", () => {
  const database = testDatabase();

  it("are taken from a host as often as they are due, and more; a flood of one is no matter of another", async () => {
    const { stack, admin } = await startAdminStack(database(), { config: { rateLimitFactor: 1 } });
    try {
      const [one, other] = [await registeredAt(stack, admin), await registeredAt(stack, admin)];
      const flood = await Promise.all(Array.from({ length: 40 }, () => heartbeatAt(stack, one.id, one.token)));
      const refused = flood.filter(({ status }) => status !== 204);
      expect(flood.length - refused.length).toBeGreaterThanOrEqual(20);
      expect(refused.length).toBeGreaterThan(0);
      expect(await errorOf(refused[0]!)).toMatchObject({ status: 429, code: "rate_limited" });
      expect(Number(refused[0]!.headers.get("retry-after"))).toBeGreaterThan(0);
      await expectStatus(await heartbeatAt(stack, other.id, other.token), 204);
    } finally {
      await stack.close();
    }
  });
});

describe("without a place for registration tokens", () => {
  const database = testDatabase();

  it("no host is made known, which would have no token", async () => {
    const { stack, admin } = await startAdminStack(database(), { config: { redisUrl: "redis://127.0.0.1:1" } });
    try {
      const answer = await admin.call("POST", "/v1/hosts", { type: "regular" });
      expect(await errorOf(answer)).toMatchObject({ status: 503, code: "database_unavailable" });
      expect(await admin.get<Host[]>("/v1/hosts")).toMatchObject([{ provider: "local" }]);
    } finally {
      await stack.close();
    }
  });
});

describe("an installation from before hosts registered", () => {
  const database = testDatabase();

  it("has its host register, and keeps its sandboxes", async () => {
    const { stack, admin } = await startAdminStack(database());
    const sandbox = await stack.createSandbox();
    const [host] = await admin.get<Host[]>("/v1/hosts");
    await stack.controlPlane.close();
    await query(
      database().config.databaseUrl,
      "delete from host_tokens; delete from host_refresh_tokens; update hosts set registration = 0, metadata = '{}'",
    );
    stack.host.membership.credentials = undefined;
    const next = await startControlPlane(stack.config, createLogger("silent"));
    try {
      await expect.poll(() => stack.host.membership.credentials?.host.id).toBe(host!.id);
      const headers = { "x-api-key": stack.apiKey };
      const path = `/v1/sandboxes/${sandbox.id}`;
      const kept = await expectJson<Sandbox>(await send(next.url, "GET", path, { headers }), 200);
      expect(kept.status).toBe("running");
      await expectStatus(await send(next.url, "DELETE", path, { headers }), 204);
      expect(stack.host.destroyed).toEqual([sandbox.id]);
    } finally {
      await next.close();
      await stack.host.close();
    }
  });
});
