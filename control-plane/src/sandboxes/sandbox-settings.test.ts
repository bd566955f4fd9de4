import { WarrenError } from "@warren/contracts/errors";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

describe("sandbox settings", () => {
  const database = testDatabase();
  let stack: TestStack;
  beforeAll(async () => {
    stack = await TestStack.start(database());
  });
  afterAll(() => stack?.close());
  beforeEach(() => {
    stack.host.onUpdate = () => undefined;
  });

  const get = async (id: string) => (await (await stack.call("GET", `/v1/sandboxes/${id}`)).json()) as Sandbox;
  const patch = (id: string, body: object) => stack.call("PATCH", `/v1/sandboxes/${id}`, body);
  const find = async (query: string) => {
    const found = (await (await stack.call("GET", `/v1/sandboxes?${query}`)).json()) as Sandbox[];
    return found.map(({ id }) => id).sort();
  };

  it("keeps name and metadata, and lists by them", async () => {
    const metadata = { team: "red=blue", "app/job": "5 ü" };
    const first = await stack.createSandbox({ name: "builder", metadata });
    const second = await stack.createSandbox({ metadata: { team: "red=blue" } });
    expect(await get(first.id)).toMatchObject({ name: "builder", metadata });
    expect(await get(second.id)).not.toHaveProperty("name");
    expect(await find("name=builder")).toEqual([first.id]);
    expect(await find("name=absent")).toEqual([]);
    expect(await find("metadata=team%3Dred%3Dblue")).toEqual([first.id, second.id].sort());
    expect(await find("metadata=team%3Dred%3Dblue&metadata=app/job%3D5%20%C3%BC")).toEqual([first.id]);
    expect(await find("metadata=toString%3Dx")).toEqual([]);
    const wrong = await errorOf(await stack.call("GET", "/v1/sandboxes?metadata=team"));
    expect(wrong).toMatchObject({ status: 400, message: expect.stringContaining("querystring/metadata/0") });
  });

  it("gives a name to one live sandbox of a team at a time", async () => {
    const { id } = await stack.createSandbox({ name: "only" });
    const other = await stack.createSandbox();
    const guests = stack.host.guests.size;
    const taken = { status: 409, code: "already_exists", message: expect.stringContaining("only") };
    expect(await errorOf(await stack.call("POST", "/v1/sandboxes", { name: "only" }))).toMatchObject(taken);
    expect(await errorOf(await patch(other.id, { name: "only", timeout_sec: 5 }))).toMatchObject(taken);
    expect(await get(other.id)).toMatchObject({ timeout_sec: 0 });
    expect(stack.host.guests.size).toBe(guests);
    expect((await patch(id, { name: "only" })).status).toBe(200);
    await stack.call("DELETE", `/v1/sandboxes/${id}`);
    expect(await (await patch(other.id, { name: "only" })).json()).toMatchObject({ name: "only" });
    expect(await (await patch(other.id, { name: null })).json()).not.toHaveProperty("name");
    const at_once = await Promise.all([1, 2, 3].map(() => stack.call("POST", "/v1/sandboxes", { name: "only" })));
    expect(at_once.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
  });

  it("frees the name of a sandbox that failed, which can be ended all the same", async () => {
    stack.host.onCreate = () => {
      throw new WarrenError("host_full", "this host is full");
    };
    expect((await stack.call("POST", "/v1/sandboxes", { name: "again" })).status).toBe(503);
    stack.host.onCreate = () => undefined;
    expect(await stack.createSandbox({ name: "again" })).toMatchObject({ name: "again" });
  });

  it("changes the settings of a running and of a paused sandbox, here and on its host", async () => {
    const { id } = await stack.createSandbox({ metadata: { a: "1", b: "2" } });
    const changed = await patch(id, { timeout_sec: 60, on_timeout: "destroy", metadata: { b: "3" } });
    expect(changed.status).toBe(200);
    expect(await changed.json()).toMatchObject({ status: "running", timeout_sec: 60, on_timeout: "destroy" });
    expect((await get(id)).metadata).toEqual({ b: "3" });
    expect(stack.host.guest(id).info().spec).toMatchObject({ timeoutSec: 60, onTimeout: "destroy", autoResume: false });
    await stack.call("POST", `/v1/sandboxes/${id}/pause`);
    expect(await (await patch(id, { auto_resume: true })).json()).toMatchObject({ status: "paused", timeout_sec: 60 });
    expect(stack.host.guest(id).info().spec).toMatchObject({ timeoutSec: 60, autoResume: true });
  });

  it("takes a timeout for a resume of a sandbox that runs", async () => {
    const { id } = await stack.createSandbox({ timeout_sec: 10 });
    const resumed = await stack.call("POST", `/v1/sandboxes/${id}/resume`, { timeout_sec: 77 });
    expect(await resumed.json()).toMatchObject({ status: "running", timeout_sec: 77 });
    expect(stack.host.guest(id).info().spec?.timeoutSec).toBe(77);
  });

  it("changes nothing when the host refuses, and what it cannot change of a sandbox that is over", async () => {
    const { id } = await stack.createSandbox({ name: "kept" });
    stack.host.onUpdate = () => {
      throw new WarrenError("host_disk_full", "the host has no disk space left");
    };
    expect(await errorOf(await patch(id, { timeout_sec: 9, name: "lost" }))).toMatchObject({ code: "host_disk_full" });
    expect(await get(id)).toMatchObject({ timeout_sec: 0, name: "kept" });
    await stack.call("DELETE", `/v1/sandboxes/${id}`);
    expect(await errorOf(await patch(id, { name: "late" }))).toMatchObject({ status: 409, code: "invalid_state" });
  });

  it("refuses sizes that are not those which a template fixes", async () => {
    const { id } = await stack.createSandbox({ vcpus: 2, memory_mb: 1024 });
    expect((await stack.call("POST", "/v1/snapshots", { sandbox_id: id, name: "large" })).status).toBe(201);
    for (const wrong of [{ vcpus: 1 }, { memory_mb: 512 }]) {
      const error = await errorOf(await stack.call("POST", "/v1/sandboxes", { template: "large", ...wrong }));
      expect(error).toMatchObject({ status: 409, code: "conflict" });
      expect(error.message).toContain(`body/${Object.keys(wrong)[0]}`);
    }
    const same = { template: "large", vcpus: 2, memory_mb: 1024 };
    expect(await stack.createSandbox(same)).toMatchObject(same);
  });

  it("keeps metadata in copies, and the name to the one that has it", async () => {
    const { id } = await stack.createSandbox({ name: "parent", metadata: { kind: "x" } });
    const [copy] = (await (await stack.call("POST", `/v1/sandboxes/${id}/fork`)).json()) as { sandbox: Sandbox }[];
    expect(copy!.sandbox).toMatchObject({ metadata: { kind: "x" } });
    expect(copy!.sandbox).not.toHaveProperty("name");
  });

  it.each([
    [{ name: `sb${"a".repeat(20)}` }, "and not look like an id"],
    [{ name: "a:b" }, "body/name must be 1 to 64 letters"],
    [{ metadata: { "a b": "x" } }, 'body/metadata has the key "a b", which must be 1 to 63 letters'],
    [{ metadata: { a: "x\u0000" } }, "body/metadata/a must be text without NUL characters"],
    [{ metadata: { a: "\ud800" } }, "the body has half of a surrogate pair"],
    [{ metadata: { a: "é".repeat(513) } }, "body/metadata/a must have at most 1024 bytes"],
    [{ metadata: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, ""])) }, "body/metadata"],
    [{ timeout_sec: -1 }, "body/timeout_sec must be >= 0"],
    [{ vcpus: 2 }, "body/vcpus is not a known field"],
  ])("refuses %j", async (body, message) => {
    const { id } = await stack.createSandbox();
    const error = await errorOf(await patch(id, body));
    expect(error).toMatchObject({ status: 400, code: "invalid_request" });
    expect(error.message).toContain(message);
  });
});
