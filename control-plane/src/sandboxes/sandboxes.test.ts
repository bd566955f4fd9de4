import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { rpcError } from "../hosts/testing/double-errors.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

describe("sandboxes", () => {
  const database = testDatabase();
  let stack: TestStack;
  beforeAll(async () => {
    stack = await TestStack.start(database());
  });
  afterAll(() => stack?.close());
  beforeEach(() => {
    stack.host.onCreate = () => undefined;
    stack.host.onDestroy = () => undefined;
  });

  const get = async (id: string) => (await (await stack.call("GET", `/v1/sandboxes/${id}`)).json()) as Sandbox;
  const list = async () => (await (await stack.call("GET", "/v1/sandboxes")).json()) as Sandbox[];

  it("creates a sandbox with the defaults, shows it and destroys it", async () => {
    const sandbox = await stack.createSandbox();
    expect(sandbox).toMatchObject({ status: "running", template: "minimal", vcpus: 1, memory_mb: 512, timeout_sec: 0 });
    expect(sandbox.id).toMatch(/^sb[a-z2-7]{20}$/);
    expect(sandbox.host_ip).toBe("10.11.0.1");
    expect(Date.parse(sandbox.started_at!)).toBeGreaterThanOrEqual(Date.parse(sandbox.created_at) - 1000);
    expect(await get(sandbox.id)).toEqual(sandbox);

    const response = await stack.call("DELETE", `/v1/sandboxes/${sandbox.id}`);
    expect(response.status).toBe(204);
    expect(stack.host.guests.has(sandbox.id)).toBe(false);
    expect((await get(sandbox.id)).status).toBe("stopped");
    expect((await stack.call("DELETE", `/v1/sandboxes/${sandbox.id}`)).status).toBe(204);
  });

  it("passes what was asked for on to the host", async () => {
    const seen = Promise.withResolvers<unknown>();
    stack.host.onCreate = (request) => seen.resolve({ ...request });
    const asked = { template: "node", vcpus: 2, memory_mb: 1024, timeout_sec: 60, env: { GREETING: "hello" } };
    const sandbox = await stack.createSandbox(asked);
    expect(sandbox).toMatchObject({ template: "node", vcpus: 2, memory_mb: 1024, timeout_sec: 60 });
    expect(await seen.promise).toMatchObject({
      sandboxId: sandbox.id,
      spec: { template: "node", vcpus: 2, memoryMb: 1024, timeoutSec: 60 },
      env: { GREETING: "hello" },
    });
  });

  it("knows from a call that a sandbox has ended, and says the same from then on", async () => {
    const { id } = await stack.createSandbox();
    const reason = { code: "guest_powered_off", message: "its system powered itself off", atUnixMs: 0n };
    Object.assign(stack.host.guest(id), { status: "stopped", reason });
    const ping = await stack.call("POST", `/v1/sandboxes/${id}/ping`);
    expect(await errorOf(ping)).toMatchObject({ status: 409, code: "invalid_state" });
    expect(await get(id)).toMatchObject({ status: "stopped", reason: { code: "guest_powered_off" } });
    expect((await list()).map((sandbox) => sandbox.id)).not.toContain(id);
  });

  it("lists sandboxes newest first, without those that are over", async () => {
    const first = await stack.createSandbox();
    const gone = await stack.createSandbox();
    const last = await stack.createSandbox();
    await stack.call("DELETE", `/v1/sandboxes/${gone.id}`);
    const ids = (await list()).map((sandbox) => sandbox.id);
    expect(ids).not.toContain(gone.id);
    expect(ids.indexOf(last.id)).toBeLessThan(ids.indexOf(first.id));
  });

  it.each([
    [{ vcpus: 9 }, "body/vcpus must be <= 8"],
    [{ vcpus: 0 }, "body/vcpus must be >= 1"],
    [{ vcpus: "2" }, "body/vcpus must be integer"],
    [{ vcpus: 1.5 }, "body/vcpus must be integer"],
    [{ vcpus: 1e300 }, "body/vcpus must be <= 8"],
    [{ memory_mb: 64 }, "body/memory_mb must be >= 128"],
    [{ memory_mb: 1_000_000 }, "body/memory_mb must be <= 8192"],
    [{ timeout_sec: -1 }, "body/timeout_sec must be >= 0"],
    [{ cpus: 2 }, "body/cpus is not a known field"],
    [{ template: "../minimal" }, "body/template must be 1 to 64 letters"],
    [{ env: { "A=B": "x" } }, 'body/env has the key "A=B", which must be 1 to 255 letters'],
    [{ env: { A: "x\u0000y" } }, "body/env/A must be text without NUL characters"],
    [{ env: { A: "é".repeat(70_000) } }, "body/env/A must have at most 131071 bytes"],
    [[], "body must be object"],
  ])("refuses %j", async (body, message) => {
    const before = stack.host.guests.size;
    const error = await errorOf(await stack.call("POST", "/v1/sandboxes", body));
    expect(error).toMatchObject({ status: 400, code: "invalid_request" });
    expect(error.message).toContain(message);
    expect(stack.host.guests.size).toBe(before);
  });

  it("refuses bodies that are not JSON or too large", async () => {
    const send = (body: string, type = "application/json") =>
      fetch(`${stack.url}/v1/sandboxes`, {
        method: "POST",
        headers: { "x-api-key": stack.apiKey, "content-type": type },
        body,
      });
    expect(await errorOf(await send("{"))).toMatchObject({ status: 400, code: "invalid_request" });
    expect(await errorOf(await send("{}", "text/html"))).toMatchObject({ status: 400, code: "invalid_request" });
    expect(await errorOf(await send('{"__proto__":{"vcpus":1}}'))).toMatchObject({ status: 400 });
    const large = JSON.stringify({ template: "x".repeat(5 * 1024 * 1024) });
    expect(await errorOf(await send(large))).toMatchObject({ status: 413, code: "too_large" });
  });

  it("refuses callers without a valid key before it reads their body", async () => {
    for (const headers of [{}, { "x-api-key": "warren_0" }, { "x-api-key": `warren_${"0".repeat(40)}` }]) {
      const response = await fetch(`${stack.url}/v1/sandboxes`, { method: "POST", body: "{", headers: { ...headers } });
      expect(await errorOf(response)).toMatchObject({ status: 401, code: "unauthorized" });
    }
    const e2b = stack.apiKey.replace("warren_", "e2b_");
    expect((await stack.call("GET", "/v1/sandboxes", undefined, { headers: { "x-api-key": e2b } })).status).toBe(200);
  });

  it("answers 404 for sandboxes that are unknown, and for ids that are none", async () => {
    const unknown = `/v1/sandboxes/sb${"a".repeat(20)}`;
    expect(await errorOf(await stack.call("GET", unknown))).toMatchObject({ status: 404, code: "not_found" });
    expect(await errorOf(await stack.call("DELETE", unknown))).toMatchObject({ status: 404, code: "not_found" });
    for (const [method, path] of [
      ["GET", ""],
      ["DELETE", ""],
      ["POST", "/exec"],
      ["GET", "/exec/stream"],
      ["POST", "/files/read"],
    ] as const) {
      const error = await errorOf(await stack.call(method, `/v1/sandboxes/sb-1${path}`));
      expect(error).toEqual({ status: 404, code: "not_found", message: "there is no such sandbox: sb-1" });
    }
  });

  it("answers 404 for a template that does not exist", async () => {
    expect(await errorOf(await stack.call("POST", "/v1/sandboxes", { template: "nope" }))).toMatchObject({
      status: 404,
      code: "template_not_found",
    });
  });

  describe("when the host cannot create it", () => {
    it("passes the host's code and words on and keeps them with the sandbox", async () => {
      let id = "";
      stack.host.onCreate = (request) => {
        id = request.sandboxId;
        throw rpcError("boot_failed", "the kernel did not come up:\nKernel panic");
      };
      const error = await errorOf(await stack.call("POST", "/v1/sandboxes", {}));
      expect(error).toEqual({ status: 502, code: "boot_failed", message: "the kernel did not come up:\nKernel panic" });
      expect(await get(id)).toMatchObject({ status: "error", error: "the kernel did not come up:\nKernel panic" });
      expect((await list()).map((sandbox) => sandbox.id)).not.toContain(id);
    });

    it("tells nothing of an unexpected error's text", async () => {
      stack.host.onCreate = () => {
        throw new Error("password of the host is 1234");
      };
      const error = await errorOf(await stack.call("POST", "/v1/sandboxes", {}));
      expect(error).toMatchObject({ status: 502, code: "agent_error" });
      expect(error.message).not.toContain("1234");
    });
  });

  it("finishes a creation whose client has gone", async () => {
    const reached = Promise.withResolvers<string>();
    const go = Promise.withResolvers<void>();
    stack.host.onCreate = (request) => {
      reached.resolve(request.sandboxId);
      return go.promise;
    };
    const client = new AbortController();
    const call = stack.call("POST", "/v1/sandboxes", {}, { signal: client.signal });
    const id = await reached.promise;
    expect((await get(id)).status).toBe("pending");
    client.abort();
    await expect(call).rejects.toThrow();
    go.resolve();
    await expect.poll(async () => (await get(id)).status).toBe("running");
  });

  it("leaves nothing of a sandbox that is destroyed while it is created", async () => {
    const reached = Promise.withResolvers<string>();
    const go = Promise.withResolvers<void>();
    stack.host.onCreate = (request) => {
      reached.resolve(request.sandboxId);
      return go.promise;
    };
    const creation = stack.call("POST", "/v1/sandboxes", {});
    const id = await reached.promise;
    expect((await stack.call("DELETE", `/v1/sandboxes/${id}`)).status).toBe(204);
    go.resolve();
    expect(await errorOf(await creation)).toMatchObject({ status: 409, code: "conflict" });
    await expect.poll(() => stack.host.guests.has(id)).toBe(false);
    expect((await get(id)).status).toBe("stopped");
  });

  it("counts a ping as activity", async () => {
    const { id } = await stack.createSandbox();
    expect((await stack.call("POST", `/v1/sandboxes/${id}/ping`)).status).toBe(204);
    expect(stack.host.pinged).toContain(id);
    await stack.call("DELETE", `/v1/sandboxes/${id}`);
    expect(await errorOf(await stack.call("POST", `/v1/sandboxes/${id}/ping`))).toMatchObject({
      status: 409,
      code: "invalid_state",
    });
  });
});
