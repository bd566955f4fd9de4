import type { TeamQuota } from "@warren/contracts/rest/quotas";
import type { Template } from "@warren/contracts/rest/templates";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { expectJson, expectStatus, Person, startAdminStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";
import { DEFAULT_QUOTA, parseTeamQuota } from "./quota-settings.ts";

describe("quotas", () => {
  const database = testDatabase();
  let stack: TestStack;
  let admin: Person;
  beforeAll(async () => {
    const teamQuota = { ...DEFAULT_QUOTA, sandboxes: 4, vcpus: 8, memory_mb: 4096 };
    ({ stack, admin } = await startAdminStack(database(), { config: { teamQuota } }));
  });
  afterAll(() => stack?.close());

  const create = (person: Person, request: object = {}) => person.call("POST", "/v1/sandboxes", request);
  const quotaOf = (person: Person) => person.get<TeamQuota>(`/v1/teams/${person.teamId}/quota`);
  const setQuota = async (person: Person, limits: object) =>
    expectJson<TeamQuota>(await admin.call("PUT", `/v1/admin/teams/${person.teamId}/quota`, limits), 200);

  it("is the server's default until an administrator sets another, and again after null", async () => {
    const person = await Person.signUp(stack);
    const usage = { sandboxes: 0, vcpus: 0, memory_mb: 0, templates: 0, disk_mb: 0 };
    const limits = { ...DEFAULT_QUOTA, sandboxes: 4, vcpus: 8, memory_mb: 4096 };
    expect(await quotaOf(person)).toEqual({ limits, usage });
    expect(await setQuota(person, { sandboxes: 2 })).toEqual({ limits: { ...limits, sandboxes: 2 }, usage });
    await setQuota(person, { vcpus: 3 });
    expect((await quotaOf(person)).limits).toEqual({ ...limits, sandboxes: 2, vcpus: 3 });
    await setQuota(person, { sandboxes: null });
    expect((await quotaOf(person)).limits).toEqual({ ...limits, vcpus: 3 });
    for (const bad of [{}, { sandboxes: -1 }, { sandboxes: 1.5 }, { cores: 1 }, { vcpus: "3" }]) {
      const answer = await admin.call("PUT", `/v1/admin/teams/${person.teamId}/quota`, bad);
      expect([bad, answer.status]).toEqual([bad, 400]);
    }
  });

  it.each([
    ["sandboxes", { sandboxes: 1 }, {}],
    ["vcpus", { vcpus: 3 }, { vcpus: 2 }],
    ["memory_mb", { memory_mb: 1000 }, { memory_mb: 512 }],
  ])("refuses a sandbox beyond %s, and accepts one again when another is gone", async (resource, limits, request) => {
    const person = await Person.signUp(stack);
    await setQuota(person, limits);
    const { id } = await expectJson<{ id: string }>(await create(person, request), 201);
    const refusal = await errorOf(await create(person, request));
    expect(refusal).toMatchObject({ status: 429, code: "quota_exceeded" });
    expect((await quotaOf(person)).usage[resource as "vcpus"]).toBeGreaterThan(0);
    await expectStatus(await person.call("DELETE", `/v1/sandboxes/${id}`), 204);
    expect((await quotaOf(person)).usage).toMatchObject({ sandboxes: 0, vcpus: 0, memory_mb: 0 });
    await expectStatus(await create(person, request), 201);
  });

  it("is never exceeded by creations at the same moment, with whichever credential", async () => {
    const person = await Person.signUp(stack);
    const { key } = await person.createApiKey();
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        index % 2 === 0
          ? create(person)
          : fetch(`${stack.url}/v1/sandboxes`, {
              method: "POST",
              headers: { "x-api-key": key, "content-type": "application/json" },
              body: "{}",
            }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(4).fill(201), ...Array(8).fill(429)]);
    expect((await quotaOf(person)).usage).toMatchObject({ sandboxes: 4, vcpus: 4, memory_mb: 2048 });
  });

  it("counts copies and resumed sandboxes as new ones, and no paused sandbox", async () => {
    const person = await Person.signUp(stack);
    await setQuota(person, { sandboxes: 3 });
    const { id } = await expectJson<{ id: string }>(await create(person), 201);
    const fork = (count: number) => person.call("POST", `/v1/sandboxes/${id}/fork`, { count });
    // All copies or none.
    expect(await errorOf(await fork(3))).toMatchObject({ status: 429, code: "quota_exceeded" });
    expect((await quotaOf(person)).usage.sandboxes).toBe(1);
    await expectStatus(await fork(2), 201);
    await expectStatus(await person.call("POST", `/v1/sandboxes/${id}/pause`), 200);
    expect((await quotaOf(person)).usage).toMatchObject({ sandboxes: 2, vcpus: 2, disk_mb: 1 });
    await expectStatus(await create(person), 201);
    expect(await errorOf(await person.call("POST", `/v1/sandboxes/${id}/resume`))).toMatchObject({
      status: 429,
      code: "quota_exceeded",
    });
    await setQuota(person, { sandboxes: 4 });
    const resumed = await Promise.all([
      ...Array.from({ length: 3 }, () => person.call("POST", `/v1/sandboxes/${id}/resume`)),
      ...Array.from({ length: 3 }, () => create(person)),
    ]);
    for (const { status } of resumed) expect([200, 201, 429]).toContain(status);
    expect((await quotaOf(person)).usage.sandboxes).toBe(4);
  });

  it("bounds templates, however many are made at the same moment, and what they store", async () => {
    const person = await Person.signUp(stack);
    await setQuota(person, { templates: 2 });
    const { id } = await expectJson<{ id: string }>(await create(person), 201);
    const make = (name: string, query = "") => person.call("POST", `/v1/snapshots${query}`, { sandbox_id: id, name });
    const answers = await Promise.all(["a", "b", "c", "d", "e"].map((name) => make(name)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 429, 429, 429]);
    expect((await quotaOf(person)).usage).toMatchObject({ templates: 2, disk_mb: 1 });
    // What was refused is not on the host either, and what was not is.
    const names = async () =>
      (await person.get<Template[]>("/v1/snapshots?type=snapshot")).map(({ name }) => name).sort();
    const onHost = () =>
      [...stack.host.templates.keys()].filter((key) => key.startsWith(fromWireId("team", person.teamId)));
    expect(
      onHost()
        .map((key) => key.split("/")[1])
        .sort(),
    ).toEqual(await names());
    const [kept, gone] = await names();
    await expectStatus(await make(kept!, "?overwrite=true"), 201);
    await expectStatus(await person.call("DELETE", `/v1/snapshots/${gone}`), 204);
    const same = await Promise.all(Array.from({ length: 4 }, () => make("same", "?overwrite=true")));
    expect(same.map(({ status }) => status)).toContain(201);
    expect(
      onHost()
        .map((key) => key.split("/")[1])
        .sort(),
    ).toEqual([kept, "same"].sort());
    await setQuota(person, { templates: null, disk_mb: 1 });
    for (const [name, query] of [
      ["f", ""],
      [kept!, "?overwrite=true"],
    ] as const) {
      expect(await errorOf(await make(name, query))).toMatchObject({ status: 429, code: "quota_exceeded" });
    }
    stack.host.templateBytes = 3 * 1024 * 1024;
    await setQuota(person, { disk_mb: 100 });
    await expectStatus(await make(kept!, "?overwrite=true"), 201);
    // At its limit, a team may replace what is large by what may be smaller.
    await setQuota(person, { disk_mb: 3 });
    await expectStatus(await make(kept!, "?overwrite=true"), 201);
    expect(await errorOf(await make("f"))).toMatchObject({ status: 429, code: "quota_exceeded" });
  });

  it("of one team does not concern another", async () => {
    const [first, second] = [await Person.signUp(stack), await Person.signUp(stack)];
    await setQuota(first, { sandboxes: 0 });
    expect((await create(first)).status).toBe(429);
    expect((await create(second)).status).toBe(201);
  });
});

describe("the setting WARREN_TEAM_QUOTA", () => {
  it("changes what it names", () => {
    expect(parseTeamQuota("sandboxes=20, memory_mb=65536")).toEqual({
      ...DEFAULT_QUOTA,
      sandboxes: 20,
      memory_mb: 65_536,
    });
  });

  it.each(["sandboxes", "sandboxes=", "sandboxes=-1", "cores=4", "sandboxes=1=2", ""])("refuses %j", (text) => {
    expect(() => parseTeamQuota(text)).toThrow("is not one of sandboxes");
  });
});
