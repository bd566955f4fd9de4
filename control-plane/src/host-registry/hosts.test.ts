import type { AuditPage } from "@warren/contracts/rest/audit";
import type {
  Host,
  HostCredentials,
  HostDeletePreview,
  HostDetails,
  HostToken,
  NewHost,
} from "@warren/contracts/rest/hosts";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { DOUBLE_REPORT } from "../hosts/testing/double-membership.ts";
import { HostAgentDouble } from "../hosts/testing/host-agent-double.ts";
import { told } from "../testing/audit-events.ts";
import { expectJson, expectStatus, Person, send, startAdminStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

const NOBODY = "f".repeat(64);

describe("hosts", () => {
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

  const create = async (request: object = { type: "regular" }) =>
    expectJson<NewHost>(await admin.call("POST", "/v1/hosts", request), 201);
  const register = (token: string, address: string, more: object = DOUBLE_REPORT) =>
    send(stack.url, "POST", "/v1/hosts/register", { body: { token, address, ...more } });
  const refresh = (refresh_token: string) =>
    send(stack.url, "POST", "/v1/hosts/auth/refresh", { body: { refresh_token } });
  const heartbeat = (id: string, token: string, body: object = {}) =>
    send(stack.url, "POST", `/v1/hosts/${id}/heartbeat`, { body, headers: { "x-host-token": token } });
  let sockets = 0;
  /** An address at which nobody answers. */
  const newAddress = () => `unix:${stack.host.directory}/nobody-${++sockets}.sock`;
  /** A host that has registered and at whose address nobody answers. */
  const registered = async () => {
    const { host, registration_token } = await create();
    return {
      id: host.id,
      ...(await expectJson<HostCredentials>(await register(registration_token, newAddress()), 201)),
    };
  };
  const get = (id: string) => admin.get<HostDetails>(`/v1/hosts/${id}`);
  /** Has no sandboxes placed on hosts at whose address nobody answers. */
  const loseSilent = () => db.query("update hosts set status = 'unreachable' where address like '%/nobody-%'");
  /** Lets `hours` pass for one host. */
  const age = async (hours: number) => {
    for (const table of ["host_tokens", "one_time_tokens"]) {
      await db.query(`update ${table} set expires_at = expires_at - make_interval(hours => $1)`, [hours]);
    }
  };

  it("the host of the machine has registered as any other, and says what it has", async () => {
    const [host] = await admin.get<Host[]>("/v1/hosts");
    expect(host).toMatchObject({ type: "regular", provider: "local", address: stack.host.address, status: "online" });
    expect(await get(host!.id)).toMatchObject(DOUBLE_REPORT);
    expect(stack.host.membership.credentials?.host.id).toBe(host!.id);
    expect((await stack.host.membership.heartbeat()).status).toBe(204);
    // Its base images are for everybody.
    const node = await stack.createSandbox({ template: "node" });
    expect(node.status).toBe("running");
    await stack.call("DELETE", `/v1/sandboxes/${node.id}`);
  });

  it("a host registers with its token, and is online from then on", async () => {
    const { host, registration_token } = await create({ type: "regular", provider: "rack 7", availability_zone: "b" });
    expect(host).toMatchObject({
      status: "pending",
      provider: "rack 7",
      availability_zone: "b",
      created_by: admin.userId,
    });
    const address = newAddress();
    const given = await expectJson<HostCredentials>(await register(registration_token, address), 201);
    expect(given.host).toMatchObject({ id: host.id, status: "online", address, arch: "amd64", cpu_cores: 2 });
    const load = { running: 1, paused: 2, sandboxes_limit: 9, memory_mb_taken: 512, memory_mb_limit: 8192 };
    const report = { version: "9.9", load: { ...load, disk_mb_left: 7, cpu_load: 0.5 }, templates: [] };
    expect((await heartbeat(host.id, given.token, report)).status).toBe(204);
    const seen = await get(host.id);
    expect(seen).toMatchObject({ ...report, memory_mb: 4096, accelerator: "tcg" });
    expect(Date.now() - Date.parse(seen.last_heartbeat_at!)).toBeLessThan(60_000);
    await expectStatus(await admin.call("DELETE", `/v1/hosts/${host.id}`), 204);
    const log = await admin.get<AuditPage>("/v1/admin/audit-logs?resource_type=host");
    const events = log.items.filter(({ resource_id }) => resource_id === host.id);
    expect(told(events)).toEqual([
      ["host create", "success", "platform-admin", { provider: "rack 7" }],
      ["host issue_token", "info", "platform-admin"],
      ["host register", "success", "system", { address }],
      ["host delete", "warning", "platform-admin", { address, sandboxes: 0, templates: [] }],
    ]);
  });

  it("sandboxes that are being created while their host is deleted come to a clear end", async () => {
    await loseSilent();
    const double = await HostAgentDouble.start();
    const { host, registration_token } = await create();
    const request = { controlPlaneUrl: stack.url, hostId: host.id, token: registration_token };
    await double.membership.join({ ...request, $typeName: "hostagent.v1.JoinControlPlaneRequest" }, double.address);
    const making = Array.from({ length: 12 }, () => stack.call("POST", "/v1/sandboxes", {}));
    await expectStatus(await admin.call("DELETE", `/v1/hosts/${host.id}?force=true`), 204);
    const statuses = new Set((await Promise.all(making)).map(({ status }) => status));
    expect([201, 404, 409, 503]).toEqual(expect.arrayContaining([...statuses]));
    const without = "select id, status from sandboxes where host_id is null and status not in ('stopped', 'error')";
    expect((await db.query(without)).rows).toEqual([]);
    const list = (await (await stack.call("GET", "/v1/sandboxes")).json()) as Sandbox[];
    await Promise.all(list.map(({ id }) => stack.call("DELETE", `/v1/sandboxes/${id}`)));
    await double.close();
  });

  it("a registration token works once, for an hour, and for its host alone", async () => {
    const used = await create();
    await expectStatus(await register(used.registration_token, newAddress()), 201);
    const expired = await create();
    await age(1);
    const other = await create();
    for (const token of [used.registration_token, expired.registration_token, NOBODY, "x", used.host.id]) {
      expect(await errorOf(await register(token, newAddress()))).toMatchObject({ status: 401, code: "unauthorized" });
    }
    expect((await get(expired.host.id)).status).toBe("pending");
    expect((await get(other.host.id)).status).toBe("pending");
    // Another token of the same host ends with its registration.
    const [first, second] = [expired, expired].map(() => admin.call("POST", `/v1/hosts/${expired.host.id}/token`));
    const [one, two] = [
      await expectJson<HostToken>(await first!, 201),
      await expectJson<HostToken>(await second!, 201),
    ];
    await expectStatus(await register(one.registration_token, newAddress()), 201);
    expect((await register(two.registration_token, newAddress())).status).toBe(401);
    // Of two that are used at the same moment, one.
    const third = await create();
    const again = await admin.call("POST", `/v1/hosts/${third.host.id}/token`);
    const both = [third, await expectJson<HostToken>(again, 201)];
    const answers = await Promise.all(both.map((made) => register(made.registration_token, newAddress())));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 401]);
    const refused = await admin.call("POST", `/v1/hosts/${expired.host.id}/token`);
    expect(await errorOf(refused)).toMatchObject({ status: 409, code: "invalid_state" });
  });

  it("of many who use one token at the same moment, one registers", async () => {
    const { host, registration_token } = await create();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => register(registration_token, `unix:${stack.host.directory}/many.sock`)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(401)]);
    await expectStatus(await admin.call("DELETE", `/v1/hosts/${host.id}`), 204);
  });

  it.each([
    ["no token", { token: undefined }, "token"],
    ["no address", { address: undefined }, "address"],
    ["an address of the network, which nothing encrypts", { address: "http://192.0.2.7:50051" }, "address"],
    ["a path that names its socket in another way", { address: "unix:/run/../run/a.sock" }, "address"],
    ["a path with an empty part", { address: "unix://run/a.sock" }, "address"],
    ["a path too long for a socket", { address: `unix:/${"a".repeat(200)}` }, "address"],
    ["a negative capacity", { cpu_cores: -1 }, "cpu_cores"],
    ["more memory than there is", { memory_mb: 1e300 }, "memory_mb"],
    ["a template whose team is none", { templates: [{ team_id: "ABC", name: "a" }] }, "team_id"],
    ["more templates than are taken", { templates: Array(1001).fill({ name: "a" }) }, "templates"],
  ])("registration refuses %s, and uses no token up", async (_what, change, field) => {
    const { host, registration_token } = await create();
    const answer = await register(registration_token, newAddress(), { ...DOUBLE_REPORT, ...change });
    const error = await errorOf(answer);
    expect(error).toMatchObject({ status: 400, code: "invalid_request" });
    expect(error.message).toContain(field);
    await expectStatus(await register(registration_token, newAddress()), 201);
    await expectStatus(await admin.call("DELETE", `/v1/hosts/${host.id}`), 204);
  });

  it("an address is of one host, and whoever names another's can use the token again", async () => {
    const { host, registration_token } = await create();
    const answer = await register(registration_token, stack.host.address);
    expect(await errorOf(answer)).toMatchObject({ status: 409, code: "conflict" });
    expect((await get(host.id)).status).toBe("pending");
    await expectStatus(await register(registration_token, newAddress()), 201);
    expect((await register(registration_token, newAddress())).status).toBe(401);
    await expectStatus(await admin.call("DELETE", `/v1/hosts/${host.id}`), 204);
  });

  it("a sign of life costs one statement, beside that by which the host's are counted", async () => {
    const one = await registered();
    const { templates: _, ...report } = DOUBLE_REPORT;
    expect((await heartbeat(one.id, one.token, report)).status).toBe(204);
    const queries = vi.spyOn(pg.Client.prototype, "query");
    try {
      // Others ask the database now and then: the cost is the least of some.
      let least = Number.POSITIVE_INFINITY;
      for (let turn = 0; turn < 40 && least > 2; turn++) {
        queries.mockClear();
        expect((await heartbeat(one.id, one.token, report)).status).toBe(204);
        least = Math.min(least, queries.mock.calls.length);
      }
      expect(least).toBe(2);
    } finally {
      queries.mockRestore();
      await loseSilent();
    }
  });

  it("a sign of life takes the token of the host that it is of", async () => {
    const [one, other] = [await registered(), await registered()];
    expect(await errorOf(await heartbeat(one.id, other.token))).toMatchObject({ status: 403, code: "forbidden" });
    for (const bad of ["", "a.b.c", one.refresh_token, admin.token]) {
      expect(await errorOf(await heartbeat(one.id, bad))).toMatchObject({ status: 401, code: "unauthorized" });
    }
    const bare = await send(stack.url, "POST", `/v1/hosts/${one.id}/heartbeat`, { body: {} });
    expect(await errorOf(bare)).toMatchObject({ status: 401, code: "unauthorized" });
    expect((await heartbeat("host-1", one.token)).status).toBe(400);
    const lie = await heartbeat(one.id, one.token, { load: { running: "many" } });
    expect(await errorOf(lie)).toMatchObject({ status: 400, code: "invalid_request" });
    // The token of a host opens nothing that is for people or programs.
    const headers = { authorization: `Bearer ${one.token}` };
    expect((await send(stack.url, "GET", "/v1/hosts", { headers })).status).toBe(401);
  });

  it("a lost host comes back by a sign of life, or registers again when its credentials are lost", async () => {
    const lost = await registered();
    const lose = () => db.query("update hosts set status = 'unreachable' where address = $1", [lost.host.address]);
    await lose();
    expect((await heartbeat(lost.id, lost.token)).status).toBe(204);
    expect((await get(lost.id)).status).toBe("online");
    await lose();
    const again = await admin.call("POST", `/v1/hosts/${lost.id}/token`);
    const { registration_token } = await expectJson<HostToken>(again, 201);
    // The host agent answers before it registers, and the monitor may come by in between.
    await db.query("update hosts set status = 'online' where address = $1", [lost.host.address]);
    const given = await expectJson<HostCredentials>(await register(registration_token, lost.host.address!), 201);
    expect(given.host.id).toBe(lost.id);
    // Whoever has the lost credentials can do nothing with them.
    expect((await heartbeat(lost.id, lost.token)).status).toBe(401);
    expect((await refresh(lost.refresh_token)).status).toBe(401);
    expect((await heartbeat(lost.id, given.token)).status).toBe(204);
  });

  it("the host of the machine gets new credentials when it has lost them", async () => {
    const [host] = await admin.get<Host[]>("/v1/hosts");
    const before = stack.host.membership.credentials!;
    stack.host.membership.credentials = undefined;
    // As a host agent that was started anew.
    await stack.host.hangUp();
    await stack.host.listen();
    await expect.poll(() => stack.host.membership.credentials?.host.id, { timeout: 30_000 }).toBe(host!.id);
    expect((await stack.host.membership.heartbeat()).status).toBe(204);
    expect((await heartbeat(host!.id, before.token)).status).toBe(401);
    expect((await get(host!.id)).status).toBe("online");
  });

  it("one with sandboxes or templates is deleted by force alone, and nothing of it is left", async () => {
    const double = await HostAgentDouble.start();
    const { host, registration_token } = await create();
    const request = { controlPlaneUrl: stack.url, hostId: host.id, token: registration_token };
    await double.membership.join({ ...request, $typeName: "hostagent.v1.JoinControlPlaneRequest" }, double.address);
    await loseSilent();
    const ada = await Person.signUp(stack);
    const onIt = async () => {
      for (;;) {
        const sandbox = await expectJson<Sandbox>(await ada.call("POST", "/v1/sandboxes", {}), 201);
        if (double.guests.has(sandbox.id)) return sandbox;
      }
    };
    const [running, paused, source] = [await onIt(), await onIt(), await onIt()];
    await expectStatus(await ada.call("POST", `/v1/sandboxes/${paused.id}/pause`), 200);
    const template = { sandbox_id: source.id, name: "only-here" };
    await expectStatus(await ada.call("POST", "/v1/snapshots", template), 201);
    const preview = await admin.get<HostDeletePreview>(`/v1/hosts/${host.id}/delete-preview`);
    expect(preview.host.id).toBe(host.id);
    expect(preview.sandbox_ids).toEqual(expect.arrayContaining([running.id, paused.id, source.id]));
    expect(preview.templates).toEqual(["only-here"]);

    const refused = await admin.call("DELETE", `/v1/hosts/${host.id}`);
    expect(refused.status).toBe(409);
    const { sandbox_ids, templates } = preview;
    expect(await refused.json()).toMatchObject({ error: { code: "has_active_sandboxes", sandbox_ids, templates } });
    expect((await get(host.id)).status).toBe("online");

    await expectStatus(await admin.call("DELETE", `/v1/hosts/${host.id}?force=true`), 204);
    expect(double.destroyed).toEqual(expect.arrayContaining([running.id, paused.id, source.id]));
    for (const { id } of [running, paused, source]) {
      expect(await ada.get<Sandbox>(`/v1/sandboxes/${id}`)).toMatchObject({ status: "stopped" });
    }
    expect((await ada.call("POST", "/v1/sandboxes", { template: "only-here" })).status).toBe(404);
    expect((await admin.call("GET", `/v1/hosts/${host.id}`)).status).toBe(404);
    expect((await double.membership.heartbeat()).status).toBe(404);
    expect((await refresh(double.membership.credentials!.refresh_token)).status).toBe(401);
    await double.close();
  });

  it("one that does not answer is deleted too, with what was on it", async () => {
    const double = await HostAgentDouble.start();
    const { host, registration_token } = await create();
    const request = { controlPlaneUrl: stack.url, hostId: host.id, token: registration_token };
    await double.membership.join({ ...request, $typeName: "hostagent.v1.JoinControlPlaneRequest" }, double.address);
    await loseSilent();
    const ada = await Person.signUp(stack);
    let sandbox: Sandbox;
    do sandbox = await expectJson<Sandbox>(await ada.call("POST", "/v1/sandboxes", {}), 201);
    while (!double.guests.has(sandbox.id));
    await double.hangUp();
    await expectStatus(await admin.call("DELETE", `/v1/hosts/${host.id}?force=true`), 204);
    expect(await ada.get<Sandbox>(`/v1/sandboxes/${sandbox.id}`)).toMatchObject({ status: "stopped" });
    await double.close();
  });

  it("have tags", async () => {
    const { id } = await registered();
    const tags = `/v1/hosts/${id}/tags`;
    for (const tag of ["gpu", "zone:b", "gpu"]) await expectStatus(await admin.call("POST", tags, { tag }), 204);
    expect(await admin.get(tags)).toEqual(["gpu", "zone:b"]);
    for (const tag of ["", "a b", "-a", "a".repeat(64), "é"]) {
      expect((await admin.call("POST", tags, { tag })).status).toBe(400);
    }
    await expectStatus(await admin.call("DELETE", `${tags}/gpu`), 204);
    expect((await admin.call("DELETE", `${tags}/gpu`)).status).toBe(404);
    for (let n = 1; n < 64; n++) await expectStatus(await admin.call("POST", tags, { tag: `t${n}` }), 204);
    expect(await errorOf(await admin.call("POST", tags, { tag: "more" }))).toMatchObject({ code: "quota_exceeded" });
    await expectStatus(await admin.call("POST", tags, { tag: "t1" }), 204);
  });

  it("are for those who may: shared ones for the platform's administrators, a team's own for its members too", async () => {
    const ada = await Person.signUp(stack, { name: "Ada" });
    const [bob, eve] = [await ada.addMember(await Person.signUp(stack)), await Person.signUp(stack)];
    const shared = await registered();
    for (const [method, path] of [
      ["GET", ""],
      ["GET", "/delete-preview"],
      ["GET", "/tags"],
      ["DELETE", ""],
      ["POST", "/token"],
    ] as const) {
      expect((await ada.call(method, `/v1/hosts/${shared.id}${path}`)).status).toBe(404);
    }
    expect((await ada.call("POST", "/v1/hosts", { type: "regular" })).status).toBe(403);
    expect((await ada.call("POST", "/v1/hosts", { type: "byoc", team_id: ada.teamId })).status).toBe(409);
    expect(await ada.get("/v1/hosts")).toEqual([]);
    expect((await stack.call("GET", "/v1/hosts")).status).toBe(403);

    const byoc = { type: "byoc", team_id: ada.teamId };
    expect((await admin.call("POST", "/v1/hosts", byoc)).status).toBe(409);
    await expectStatus(await admin.call("PUT", `/v1/admin/teams/${ada.teamId}/byoc`, { is_byoc: true }), 204);
    for (const bad of [{ type: "byoc" }, { ...byoc, type: "regular" }, { type: "other" }, {}]) {
      expect((await admin.call("POST", "/v1/hosts", bad)).status).toBe(400);
    }
    const { host } = await create(byoc);
    expect((await bob.get<Host[]>("/v1/hosts")).map(({ id }) => id)).toEqual([host.id]);
    expect((await bob.get<Host>(`/v1/hosts/${host.id}`)).team_id).toBe(ada.teamId);
    expect((await eve.call("GET", `/v1/hosts/${host.id}`)).status).toBe(404);
    expect((await bob.call("DELETE", `/v1/hosts/${host.id}`)).status).toBe(403);
    await expectStatus(await ada.call("DELETE", `/v1/hosts/${host.id}`), 204);
    expect((await ada.call("GET", `/v1/hosts/${host.id}`)).status).toBe(404);
    expect((await admin.call("GET", "/v1/hosts/host-zzzzzzzzzzzzzzzzzzzzzzzzz")).status).toBe(404);
  });
});
