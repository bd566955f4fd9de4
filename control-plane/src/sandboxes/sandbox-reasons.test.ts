import { WarrenError } from "@warren/contracts/errors";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { Person, startAccountStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

describe("why a sandbox is in its status", () => {
  const database = testDatabase();
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startAccountStack(database());
  });
  afterAll(() => stack?.close());

  const act = (id: string, action: string) => stack.call("POST", `/v1/sandboxes/${id}/${action}`);
  const get = async (id: string) => (await (await stack.call("GET", `/v1/sandboxes/${id}`)).json()) as Sandbox;
  const byKey = { code: "requested", message: expect.stringMatching(/^asked for by the API key ".+"$/) };

  it("is who asked for a pause, also once its host was compared with the database, until it is resumed", async () => {
    const { id } = await stack.createSandbox();
    expect(await get(id)).not.toHaveProperty("reason");
    const paused = (await (await act(id, "pause")).json()) as Sandbox;
    expect(paused).toMatchObject({ status: "paused", reason: byKey });
    // The host says more of it, which a comparison writes down.
    stack.host.guest(id).diskBytes = 8192n;
    stack.host.announce(id);
    await expect.poll(async () => (await get(id)).disk_bytes).toBe(8192);
    expect((await get(id)).reason).toEqual(paused.reason);
    // It is no news to who asked.
    const exec = await errorOf(await stack.call("POST", `/v1/sandboxes/${id}/exec`, { cmd: "true" }));
    expect(exec.message).toBe("the sandbox is paused, and this needs it to be running: resume it first");
    expect(await (await act(id, "resume")).json()).not.toHaveProperty("reason");
    await act(id, "pause");
    await act(id, "resume");
    expect(await (await act(id, "rollback")).json()).toMatchObject({ status: "paused", reason: byKey });
  });

  it("is the one of the host, where that has paused it by itself", async () => {
    const { id } = await stack.createSandbox({ timeout_sec: 30 });
    await stack.host.pauseForInactivity(id);
    await expect.poll(() => get(id)).toMatchObject({ status: "paused", reason: { code: "inactivity" } });
    // To ask for what is there already changes nothing.
    await act(id, "pause");
    expect((await get(id)).reason?.code).toBe("inactivity");
  });

  it("is who asked for its end", async () => {
    const person = await Person.signUp(stack, { name: "Grace" });
    const response = await person.call("POST", "/v1/sandboxes", {});
    const { id } = (await response.json()) as Sandbox;
    await person.call("DELETE", `/v1/sandboxes/${id}`);
    const reason = {
      code: "requested",
      message: "asked for by Grace",
      user_id: expect.stringMatching(/^usr-/),
      at: expect.any(String),
    };
    expect(await person.get(`/v1/sandboxes/${id}`)).toMatchObject({ status: "stopped", reason });
  });

  it("is what went wrong when it was started", async () => {
    stack.host.onCreate = () => {
      throw new WarrenError("boot_failed", "its guest agent was not ready");
    };
    expect((await stack.call("POST", "/v1/sandboxes", { name: "failing" })).status).toBe(502);
    stack.host.onCreate = () => undefined;
    const ended = await (await stack.call("GET", "/v1/sandboxes?ended=true&name=failing")).json();
    const message = "its guest agent was not ready";
    const reason = { code: "start_failed", message: `it did not start: ${message}` };
    expect(ended).toMatchObject([{ status: "error", error: message, reason }]);
  });

  it("has the last lines of the console of a kernel that panicked", async () => {
    const { id } = await stack.createSandbox();
    const guest = stack.host.guest(id);
    const console = "[    9.1] Call Trace:\n[    9.2] ---[ end Kernel panic ]---";
    guest.reason = { code: "guest_panicked", message: "its kernel panicked: it", console, atUnixMs: 1n };
    guest.status = "stopped";
    stack.host.announce(id);
    await expect.poll(() => get(id)).toMatchObject({ status: "stopped", reason: { code: "guest_panicked", console } });
  });
});
