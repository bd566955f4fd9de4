import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import type { TeamUsage } from "@warren/contracts/rest/usage";
import type { SetUsageLimits, UsageLimits } from "@warren/contracts/rest/usage-limits";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { parseConfig } from "../../config.ts";
import { type ControlPlane, startControlPlane } from "../../control-plane.ts";
import { testDatabase } from "../../database/testing/test-database.ts";
import { fromWireId } from "../../identifiers/wire-id.ts";
import { createLogger } from "../../logging.ts";
import { eventsOf, query, told } from "../../testing/audit-events.ts";
import { EventReader } from "../../testing/event-reader.ts";
import { operate } from "../../testing/operate.ts";
import { expectJson, expectStatus, Person, send, startAdminStack } from "../../testing/person.ts";
import { errorOf, type TestStack } from "../../testing/test-stack.ts";
import { dayOf, monthOf } from "../usage-period.ts";

const database = testDatabase();
const secretKeys = parseConfig({ WARREN_SECRET_KEYS: randomBytes(32).toString("base64") }).secretKeys!;
const planes: { plane: ControlPlane; directory: string }[] = [];
let stack: TestStack;
let admin: Person;
let person: Person;
beforeAll(async () => {
  ({ stack, admin } = await startAdminStack(database(), { config: { metricsIntervalMs: 100, secretKeys } }));
});
beforeEach(async () => {
  person = await Person.signUp(stack);
});
afterEach(() => {
  stack.host.onPause = () => undefined;
});
afterAll(async () => {
  await stopReplicas();
  await stack?.close();
});

/** One more control plane on the database of the stack. */
async function startReplica(): Promise<ControlPlane> {
  const directory = await mkdtemp(join(tmpdir(), "warren-second-"));
  const config = { ...stack.config, dataDir: directory, databaseUrl: database().config.databaseUrl };
  const plane = await startControlPlane(config, createLogger("silent"));
  planes.push({ plane, directory });
  return plane;
}

async function stopReplicas(): Promise<void> {
  for (const { plane, directory } of planes.splice(0)) {
    await plane.close();
    await rm(directory, { recursive: true, force: true });
  }
}

const pathOf = (owner = person) => `/v1/admin/teams/${owner.teamId}/usage-limits`;
const limit = async (limits: SetUsageLimits, owner = person) =>
  expectJson<UsageLimits>(await admin.call("PUT", pathOf(owner), limits), 200);
const create = async (owner = person, request: object = {}) =>
  expectJson<Sandbox>(await owner.call("POST", "/v1/sandboxes", request), 201);
const get = (id: string, owner = person) => owner.get<Sandbox>(`/v1/sandboxes/${id}`);
const act = (id: string, action: string, body?: object) => person.call("POST", `/v1/sandboxes/${id}/${action}`, body);
const standing = async (owner = person) => (await owner.get<TeamUsage>("/v1/usage")).limits;
const quotaStory = async (owner = person) =>
  told(await eventsOf(owner, "?resource_type=quota&action=warn,reach_limit,limit_usage"));
const today = () => dayOf(Date.now());
/** What the host says that a sandbox has used in a day until now. */
const count = (
  sandboxId: string,
  used: { cpuMinutes?: number; memoryMbMinutes?: number; egressBytes?: number },
  day = today(),
) =>
  stack.host.metrics.count({
    sandboxId,
    teamId: "",
    day,
    cpuUs: BigInt((used.cpuMinutes ?? 0) * 60e6),
    memoryMbMs: BigInt((used.memoryMbMinutes ?? 0) * 60e3),
    egressBytes: BigInt(used.egressBytes ?? 0),
  });
const paused = (id: string) =>
  expect.poll(() => get(id)).toMatchObject({ status: "paused", reason: { code: "usage_limit" } });
/** Resolves when the control plane has looked at the use of teams at least once from now on. */
async function roundOver(): Promise<void> {
  const { metrics } = stack.host;
  const before = metrics.collected;
  await expect.poll(() => metrics.collected).toBeGreaterThan(before + 2);
}

test("a team for which nothing is set is not told of limits; one with limits is, whoever of it asks", async () => {
  const { id } = await create();
  expect(await person.get<TeamUsage>("/v1/usage")).not.toHaveProperty("limits");
  const month = monthOf(Date.now());
  const none = { used: 0, state: "ok" };
  expect(await admin.get(pathOf())).toMatchObject({ ...month, state: "ok", cpu_minutes: none, egress_bytes: none });
  await limit({ cpu_minutes: { warning: 5, limit: 10 }, egress_bytes: { limit: 1000 } });
  count(id, { cpuMinutes: 3.5, egressBytes: 7 });
  await expect
    .poll(() => standing())
    .toEqual({
      ...month,
      ends_at: new Date(Date.parse(month.to) + 86_400_000).toISOString(),
      state: "ok",
      cpu_minutes: { used: 3.5, warning: 5, limit: 10, state: "ok" },
      memory_mb_minutes: none,
      egress_bytes: { used: 7, limit: 1000, state: "ok" },
    });
  // Whatever time is asked for, and by a program too.
  const { key } = await person.createApiKey({ scopes: ["read", "sandboxes"] });
  const answer = await send(stack.url, "GET", "/v1/usage?from=2026-01-01&to=2026-01-02", {
    headers: { "x-api-key": key },
  });
  expect(await answer.json()).toMatchObject({ total: { cpu_minutes: 0 }, limits: { cpu_minutes: { used: 3.5 } } });
  await limit({ cpu_minutes: { warning: null, limit: null }, egress_bytes: { limit: null } });
  expect(await standing()).toBeUndefined();
});

test("a warning is told once, in the audit log and in events, and pauses nothing", async () => {
  const { id } = await create();
  await limit({ cpu_minutes: { warning: 5 } });
  const events = await EventReader.open(stack.url, { authorization: `Bearer ${person.token}` }, "?types=quota");
  count(id, { cpuMinutes: 5 });
  expect((await events.take(1))[0]?.data).toMatchObject({ type: "quota", id: person.teamId });
  events.close();
  expect(await standing()).toMatchObject({ state: "warning", cpu_minutes: { used: 5, warning: 5, state: "warning" } });
  count(id, { cpuMinutes: 6 });
  await expect.poll(async () => (await standing())?.cpu_minutes.used).toBe(6);
  await roundOver();
  expect(await quotaStory()).toEqual([
    ["quota limit_usage", "info", "platform-admin", { old_cpu_minutes_warning: null, new_cpu_minutes_warning: 5 }],
    ["quota warn", "warning", "system", { amount: "cpu_minutes", used: 5, warning: 5, month: today().slice(0, 7) }],
  ]);
  expect(await get(id)).toMatchObject({ status: "running" });
});

test.each([
  ["cpu_minutes", { cpuMinutes: 10 }, "10 min of CPU time", "10 min"],
  ["memory_mb_minutes", { memoryMbMinutes: 10 }, "< 0.01 GiB·h of memory", "< 0.01 GiB·h"],
  ["egress_bytes", { egressBytes: 10 }, "10 B of egress", "10 B"],
] as const)(
  "at the limit of %s sandboxes are paused and none starts, until it is raised",
  async (amount, used, words, most) => {
    const { id } = await create(person, { auto_resume: true });
    const other = await create();
    await limit({ [amount]: { warning: 8, limit: 10 } });
    count(id, used);
    await paused(id);
    await paused(other.id);
    const { reason } = await get(id);
    expect(reason?.message).toContain(`the team has used ${words} in `);
    expect(reason?.message).toContain(` and may use ${most}; `);
    expect(reason?.message).toContain(
      `can run again from ${dayOf(Date.parse(monthOf(Date.now()).to) + 86_400_000)} in UTC on`,
    );
    expect(stack.host.destroyed).not.toContain(id);
    // To resume it is no way out yet, and who finds it paused is told what is.
    const exec = await errorOf(await act(other.id, "exec", { cmd: "true", args: [] }));
    expect(exec).toMatchObject({ status: 409, code: "invalid_state" });
    expect(exec.message).toBe(`the sandbox is paused, since ${reason?.message}; then resume it`);
    expect(exec.message).toContain("or once an administrator of the platform raises the limit");
    expect(await standing()).toMatchObject({ state: "reached", [amount]: { state: "reached" } });

    const refusals = [
      await person.call("POST", "/v1/sandboxes", {}),
      await act(id, "resume"),
      // Which would resume it.
      await act(id, "exec", { cmd: "true", args: [] }),
    ];
    for (const refusal of refusals) {
      expect(await errorOf(refusal)).toMatchObject({
        status: 429,
        code: "quota_exceeded",
        message: expect.stringContaining(`the team has used ${words} in `),
      });
    }
    const refused = await eventsOf(person, "?resource_type=quota&action=refuse");
    expect(told(refused)).toEqual(
      Array(3).fill(["quota refuse", "warning", "Ada", { quota: amount, used: 10, limit: 10 }]),
    );

    await limit({ [amount]: { limit: 20 } });
    await expectStatus(await act(id, "resume"), 200);
    expect(await get(id)).not.toHaveProperty("reason");
    await create();
    await roundOver();
    expect((await get(id)).status).toBe("running");
    const month = today().slice(0, 7);
    expect((await quotaStory()).slice(1)).toEqual([
      ["quota warn", "warning", "system", { amount, used: 10, warning: 8, month }],
      ["quota reach_limit", "error", "system", { amount, used: 10, limit: 10, month }],
      ["quota limit_usage", "info", "platform-admin", { [`old_${amount}_limit`]: 10, [`new_${amount}_limit`]: 20 }],
    ]);
    const pauses = told(await eventsOf(person, `?resource_type=sandbox&action=pause&resource_id=${id}`));
    expect(pauses).toEqual([["sandbox pause", "info", "system", { reason: "usage_limit", message: reason?.message }]]);
  },
);

test("copies are refused at a limit too, and the team of somebody else goes on", async () => {
  const stranger = await Person.signUp(stack);
  const [mine, theirs] = [await create(), await create(stranger)];
  // It runs on, since its host cannot pause it.
  stack.host.onPause = () => {
    throw new WarrenError("agent_error", "the disk is full");
  };
  await limit({ cpu_minutes: { limit: 1 } });
  count(mine.id, { cpuMinutes: 1 });
  count(theirs.id, { cpuMinutes: 100 });
  await expect.poll(async () => (await standing())?.state).toBe("reached");
  // The row is of a pause now and then.
  await expect.poll(async () => (await errorOf(await act(mine.id, "fork", { count: 1 }))).code).toBe("quota_exceeded");
  await expectStatus(await stranger.call("POST", `/v1/sandboxes/${theirs.id}/fork`, { count: 1 }), 201);
  // A pause that has failed is tried again, and told once.
  stack.host.onPause = () => undefined;
  await paused(mine.id);
  const pauses = told(await eventsOf(person, "?resource_type=sandbox&action=pause"));
  expect(pauses).toMatchObject([["sandbox pause", "info", "system", { reason: "usage_limit" }]]);
  expect((await get(theirs.id, stranger)).status).toBe("running");
});

test("a new month begins with nothing used", async () => {
  const { id } = await create();
  await limit({ cpu_minutes: { limit: 2 } });
  count(id, { cpuMinutes: 2 });
  await paused(id);
  // As if it had been the month before.
  const teamId = fromWireId("team", person.teamId);
  const back = "update daily_usage set day = day - 31 where team_id = $1";
  await query(database().config.databaseUrl, back, [teamId]);
  expect(await standing()).toMatchObject({ state: "ok", cpu_minutes: { used: 0, limit: 2 } });
  await expectStatus(await act(id, "resume"), 200);
  await roundOver();
  expect((await get(id)).status).toBe("running");
});

test("the reason stays when its host is compared with the database", async () => {
  const { id } = await create();
  await limit({ egress_bytes: { limit: 0 } });
  await paused(id);
  const { reason } = await get(id);
  stack.host.guest(id).diskBytes = 8192n;
  stack.host.announce(id);
  await expect.poll(async () => (await get(id)).disk_bytes).toBe(8192);
  expect((await get(id)).reason).toEqual(reason);
});

test("a pause of which the host could not tell the end has its reason once the host is back, and is told once", async () => {
  const { id } = await create();
  const cut = Promise.withResolvers<void>();
  stack.host.onPause = async () => {
    stack.host.onPause = () => undefined;
    await stack.host.hangUp();
    cut.resolve();
  };
  await limit({ cpu_minutes: { limit: 0 } });
  await cut.promise;
  await stack.host.listen();
  await paused(id);
  const pauses = told(await eventsOf(person, "?resource_type=sandbox&action=pause"));
  expect(pauses).toMatchObject([["sandbox pause", "info", "system", { reason: "usage_limit" }]]);
});

test("two control planes pause once, tell once and refuse both", async () => {
  const sandboxes = [await create(), await create(), await create()];
  let pauses = 0;
  stack.host.onPause = () => void pauses++;
  const { url } = await startReplica();
  await limit({ cpu_minutes: { warning: 1, limit: 3 } });
  count(sandboxes[0]!.id, { cpuMinutes: 4 });
  for (const { id } of sandboxes) await paused(id);
  await roundOver();
  expect(pauses).toBe(3);
  expect((await quotaStory()).map(([event]) => event)).toEqual([
    "quota limit_usage",
    "quota warn",
    "quota reach_limit",
  ]);
  const headers = { authorization: `Bearer ${person.token}` };
  const refused = await send(url, "POST", "/v1/sandboxes", { body: {}, headers });
  expect(await errorOf(refused)).toMatchObject({ code: "quota_exceeded" });
  await stopReplicas();
});

test("the operator of the machine sets them too", async () => {
  const { slug } = (await person.get<{ team: { slug: string } }>(`/v1/teams/${person.teamId}`)).team;
  const path = `/teams/${slug}/usage-limits`;
  const { status, body } = await operate(stack, "PUT", path, { memory_mb_minutes: { warning: 7 } });
  expect([status, body]).toMatchObject([200, { memory_mb_minutes: { warning: 7 } }]);
  expect(await operate(stack, "GET", path)).toMatchObject({ body: { state: "ok", memory_mb_minutes: { warning: 7 } } });
  const change = { old_memory_mb_minutes_warning: null, new_memory_mb_minutes_warning: 7 };
  expect(await quotaStory()).toEqual([["quota limit_usage", "info", "operator", change]]);
});

test.each([
  [{}, "body"],
  [{ cpu_minutes: {} }, "body/cpu_minutes"],
  [{ cpu_minutes: { limit: -1 } }, "body/cpu_minutes/limit"],
  [{ cpu_minutes: { limit: 1.5 } }, "body/cpu_minutes/limit"],
  [{ egress_bytes: { limit: 1e16 } }, "body/egress_bytes/limit"],
  [{ egress_bytes: { warning: "many" } }, "body/egress_bytes/warning"],
  [{ disk_gb_hours: { limit: 1 } }, "body/disk_gb_hours"],
  [{ cpu_minutes: { most: 1 } }, "body/cpu_minutes/most"],
  [{ cpu_minutes: { warning: 11, limit: 10 } }, "body/cpu_minutes/warning"],
  // Which had its warning before.
  [{ memory_mb_minutes: { limit: 49 } }, "body/memory_mb_minutes/limit"],
])("refuses %j, names the field and changes nothing", async (limits, field) => {
  const before = await limit({ memory_mb_minutes: { warning: 50, limit: 100 } });
  const answer = await errorOf(await admin.call("PUT", pathOf(), limits));
  expect(answer).toMatchObject({ status: 400, code: "invalid_request", message: expect.stringContaining(field) });
  expect(await admin.get(pathOf())).toEqual(before);
  expect(await quotaStory()).toHaveLength(1);
});
