import { WarrenError } from "@warren/contracts/errors";
import type { ForkResult } from "@warren/contracts/rest/forks";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

describe("sandbox pausing", () => {
  const database = testDatabase();
  let stack: TestStack;
  beforeAll(async () => {
    stack = await TestStack.start(database());
  });
  afterAll(() => stack?.close());
  beforeEach(() => {
    stack.host.onPause = () => undefined;
    stack.host.onResume = () => undefined;
    stack.host.onFork = () => undefined;
  });

  const act = (id: string, action: string, body?: object) => stack.call("POST", `/v1/sandboxes/${id}/${action}`, body);
  const get = async (id: string) => (await (await stack.call("GET", `/v1/sandboxes/${id}`)).json()) as Sandbox;

  it("pauses and resumes a sandbox, and asking again changes nothing", async () => {
    const { id } = await stack.createSandbox({ timeout_sec: 60 });
    const paused = await act(id, "pause");
    expect(paused.status).toBe(200);
    expect(await paused.json()).toMatchObject({ id, status: "paused", disk_bytes: 4096 });
    expect(await get(id)).not.toHaveProperty("host_ip");
    expect(await (await act(id, "pause")).json()).toMatchObject({ status: "paused" });
    const exec = await errorOf(await act(id, "exec", { cmd: "true" }));
    const message = "the sandbox is paused, and this needs it to be running: resume it first";
    expect(exec).toEqual({ status: 409, code: "invalid_state", message });
    const resumed = await act(id, "resume", { timeout_sec: 90 });
    expect(resumed.status).toBe(200);
    expect(await resumed.json()).toMatchObject({ status: "running", timeout_sec: 90, host_ip: "10.11.0.1" });
    expect(await (await act(id, "resume")).json()).toMatchObject({ status: "running", timeout_sec: 90 });
    expect((await act(id, "exec", { cmd: "true" })).status).toBe(200);
  });

  it("asks the host for what the database says is done, which may have changed since", async () => {
    const { id } = await stack.createSandbox();
    stack.host.guest(id).status = "paused";
    expect(await (await act(id, "resume")).json()).toMatchObject({ status: "running" });
    expect(stack.host.guest(id).status).toBe("running");
    await act(id, "pause");
    stack.host.guest(id).status = "running";
    expect(await (await act(id, "pause")).json()).toMatchObject({ status: "paused" });
    expect(stack.host.guest(id).status).toBe("paused");
  });

  it("says why a sandbox is paused when nobody asked, until it is resumed", async () => {
    const { id } = await stack.createSandbox();
    stack.host.onPause = () => {
      stack.host.guest(id).reason = { code: "inactivity", message: "nothing used it for 60 s", atUnixMs: 0n };
    };
    const reason = { code: "inactivity", message: "nothing used it for 60 s", at: "1970-01-01T00:00:00.000Z" };
    expect(await (await act(id, "pause")).json()).toMatchObject({ status: "paused", reason });
    expect(await get(id)).toMatchObject({ reason });
    const listed = (await (await stack.call("GET", "/v1/sandboxes")).json()) as Sandbox[];
    expect(listed.find((sandbox) => sandbox.id === id)).toMatchObject({ reason });
    expect(await (await act(id, "resume")).json()).not.toHaveProperty("reason");
    expect(await get(id)).not.toHaveProperty("reason");
  });

  it("returns a running sandbox to its last pause, where it has one", async () => {
    const { id } = await stack.createSandbox();
    expect(await errorOf(await act(id, "rollback"))).toMatchObject({ status: 409, code: "invalid_state" });
    expect(await get(id)).toMatchObject({ status: "running" });
    await act(id, "pause");
    await act(id, "resume");
    expect(await (await act(id, "rollback")).json()).toMatchObject({ id, status: "paused" });
    expect(await (await act(id, "rollback")).json()).toMatchObject({ id, status: "paused" });
    expect(await (await act(id, "resume")).json()).toMatchObject({ status: "running" });
  });

  it("goes through with a pause whose caller has left; a second caller joins it, and one who wants it back is refused", async () => {
    const { id } = await stack.createSandbox();
    const begun = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    stack.host.onPause = () => {
      begun.resolve();
      return gate.promise;
    };
    const abort = new AbortController();
    const first = stack.call("POST", `/v1/sandboxes/${id}/pause`, undefined, { signal: abort.signal });
    first.catch(() => undefined);
    await begun.promise;
    abort.abort();
    expect((await get(id)).status).toBe("pausing");
    expect(await errorOf(await act(id, "resume"))).toMatchObject({ status: 409, code: "invalid_state" });
    const second = act(id, "pause");
    gate.resolve();
    expect(await (await second).json()).toMatchObject({ status: "paused" });
    expect((await get(id)).status).toBe("paused");
  });

  it("leaves a sandbox running when the pause fails, and paused when the resume fails", async () => {
    const { id } = await stack.createSandbox();
    stack.host.onPause = () => {
      throw new WarrenError("host_disk_full", "the host has no disk space left");
    };
    expect(await errorOf(await act(id, "pause"))).toMatchObject({ status: 507, code: "host_disk_full" });
    expect((await get(id)).status).toBe("running");
    stack.host.onPause = () => undefined;
    await act(id, "pause");
    stack.host.onResume = () => {
      throw new WarrenError("host_full", "this host is full");
    };
    expect(await errorOf(await act(id, "resume"))).toMatchObject({ status: 503, code: "host_full" });
    expect((await get(id)).status).toBe("paused");
    stack.host.onResume = () => undefined;
    expect((await act(id, "resume")).status).toBe(200);
  });

  it("resumes a sandbox for a call that needs it, when it was made for that", async () => {
    const { id } = await stack.createSandbox({ auto_resume: true, on_timeout: "destroy" });
    expect(await get(id)).toMatchObject({ auto_resume: true, on_timeout: "destroy" });
    await act(id, "pause");
    const exec = await act(id, "exec", { cmd: "echo", args: ["awake"] });
    expect(await exec.json()).toMatchObject({ stdout: "awake\n" });
    expect((await get(id)).status).toBe("running");
  });

  it("destroys a paused sandbox", async () => {
    const { id } = await stack.createSandbox();
    await act(id, "pause");
    expect((await stack.call("DELETE", `/v1/sandboxes/${id}`)).status).toBe(204);
    expect((await get(id)).status).toBe("stopped");
    expect(await errorOf(await act(id, "resume"))).toMatchObject({ status: 409, code: "invalid_state" });
  });

  it("copies a running sandbox; one copy that fails leaves the others alone", async () => {
    const parent = await stack.createSandbox({ vcpus: 2, timeout_sec: 60 });
    stack.host.onFork = (index) => {
      if (index === 2) throw new WarrenError("host_full", "this host is full");
    };
    const answer = await act(parent.id, "fork", { count: 3 });
    expect(answer.status).toBe(201);
    const results = (await answer.json()) as ForkResult[];
    const copies = results.flatMap((result) => ("sandbox" in result ? [result.sandbox] : []));
    expect(copies).toHaveLength(2);
    for (const copy of copies) expect(copy).toMatchObject({ status: "running", vcpus: 2, timeout_sec: 60 });
    expect(new Set([parent.id, ...copies.map(({ id }) => id)]).size).toBe(3);
    expect(results[2]).toMatchObject({ error: { code: "host_full" } });
    expect((await get(parent.id)).status).toBe("running");
  });

  it.each([
    ["fork", { count: 0 }, "body/count must be >= 1"],
    ["fork", { count: 101 }, "body/count must be <= 100"],
    ["fork", { copies: 1 }, "body/copies is not a known field"],
    ["resume", { timeout_sec: -1 }, "body/timeout_sec must be >= 0"],
  ])("refuses to %s with %j", async (action, body, message) => {
    const { id } = await stack.createSandbox();
    const error = await errorOf(await act(id, action, body));
    expect(error).toMatchObject({ status: 400, code: "invalid_request" });
    expect(error.message).toContain(message);
  });

  it("copies nothing that does not run", async () => {
    const { id } = await stack.createSandbox();
    await act(id, "pause");
    expect(await errorOf(await act(id, "fork", {}))).toMatchObject({ status: 409, code: "invalid_state" });
    expect(await errorOf(await act("sbaaaaaaaaaaaaaaaaaaaa", "fork", {}))).toMatchObject({ status: 404 });
  });

  it("comes to a valid state whatever is asked for at once", async () => {
    const { id } = await stack.createSandbox();
    const actions = ["pause", "resume", "pause", "resume", "pause"];
    const answers = await Promise.all(actions.map((action) => act(id, action)));
    // Who comes while the sandbox goes the other way, or lost it to others too often, is told so.
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      const refusal = { status: 409, code: expect.stringMatching(/^(invalid_state|conflict)$/) };
      expect(await errorOf(answer)).toMatchObject(refusal);
    }
    expect(answers.map(({ status }) => status)).toContain(200);
    const { status } = await get(id);
    expect(["running", "paused"]).toContain(status);
    expect(stack.host.guest(id).status).toBe(status);
  });
});
