import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { TestStack } from "../testing/test-stack.ts";

describe("sandbox leases", () => {
  const database = testDatabase();
  let stack: TestStack;
  beforeAll(async () => {
    stack = await TestStack.start(database());
  });
  afterAll(() => stack?.close());

  const get = async (id: string) => (await (await stack.call("GET", `/v1/sandboxes/${id}`)).json()) as Sandbox;
  const lease = (id: string, lease_sec: number | null) => stack.call("PATCH", `/v1/sandboxes/${id}`, { lease_sec });
  const secondsLeft = async (id: string) => (Date.parse((await get(id)).lease_expires_at ?? "") - Date.now()) / 1000;

  it("ends a sandbox whose lease nobody renews, says why, and lets all others live", async () => {
    const kept = await stack.createSandbox({ lease_sec: 1000 });
    const freed = await stack.createSandbox({ lease_sec: 1000 });
    const plain = await stack.createSandbox();
    expect(plain).not.toHaveProperty("lease_expires_at");
    expect(await (await lease(freed.id, null)).json()).not.toHaveProperty("lease_expires_at");
    expect(await secondsLeft(kept.id)).toBeLessThanOrEqual(1000);
    expect((await lease(kept.id, 5000)).status).toBe(200);
    expect(await secondsLeft(kept.id)).toBeGreaterThan(1000);
    const paused = await stack.createSandbox({ lease_sec: 1000, name: "paused" });
    await stack.call("POST", `/v1/sandboxes/${paused.id}/pause`);
    const destroyed = new Set<string>();
    const both = Promise.withResolvers<void>();
    stack.host.onDestroyed = (id) => {
      if (destroyed.add(id).size === 2) both.resolve();
    };
    const left = await stack.createSandbox({ lease_sec: 1 });
    await lease(paused.id, 1);
    await both.promise;
    expect(destroyed).toEqual(new Set([left.id, paused.id]));
    await expect.poll(() => get(left.id)).toMatchObject({ status: "stopped", reason: { code: "lease_expired" } });
    for (const { id } of [kept, freed, plain]) expect((await get(id)).status).toBe("running");
  });

  it("begins when the sandbox runs, however long its start takes", async () => {
    const go = Promise.withResolvers<void>();
    let id = "";
    stack.host.onCreate = (request) => {
      id = request.sandboxId;
      return go.promise;
    };
    const creation = stack.createSandbox({ lease_sec: 600 });
    await expect.poll(() => id).not.toBe("");
    expect(await get(id)).not.toHaveProperty("lease_expires_at");
    go.resolve();
    expect(await creation).toHaveProperty("lease_expires_at");
    stack.host.onCreate = () => undefined;
  });
});
