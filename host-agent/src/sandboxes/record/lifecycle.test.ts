import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Lifecycle, type OperationKind, type SandboxStatus } from "./lifecycle.ts";

describe("the life cycle of a sandbox", () => {
  it("refuses a step that the state machine does not have", () => {
    const lifecycle = new Lifecycle({ id: "sb1", status: "starting" });
    expect(() => lifecycle.moveTo("paused")).toThrow("cannot go from starting to paused");
    lifecycle.moveTo("running");
    expect(lifecycle.status).toBe("running");
  });

  it("says which state a call needs", () => {
    const lifecycle = new Lifecycle({ id: "sb1", status: "paused" });
    expect(() => lifecycle.require("running")).toThrow("sandbox sb1 is paused; this call needs it to be running");
  });

  it("runs one operation at a time, in the order in which they were asked for", async () => {
    const lifecycle = new Lifecycle({ id: "sb1", status: "running" });
    const order: string[] = [];
    const first = Promise.withResolvers<void>();
    const fork = lifecycle.perform("fork", async () => {
      order.push("fork starts");
      await first.promise;
      order.push("fork ends");
    });
    const pause = lifecycle.perform("pause", async () => {
      order.push("pause");
    });
    first.resolve();
    await Promise.all([fork, pause]);
    expect(order).toEqual(["fork starts", "fork ends", "pause"]);
  });

  it("lets a second pause join the first", async () => {
    const lifecycle = new Lifecycle({ id: "sb1", status: "running" });
    let pauses = 0;
    const pause = () =>
      lifecycle.perform("pause", async () => {
        pauses += 1;
        return pauses;
      });
    expect(await Promise.all([pause(), pause(), pause()])).toEqual([1, 1, 1]);
  });

  it("tells the operation under way of a destroy, and refuses what comes after it", async () => {
    const lifecycle = new Lifecycle({ id: "sb1", status: "starting" });
    const create = lifecycle.perform("create", async () => {
      lifecycle.destroySignal.throwIfAborted();
      await new Promise<never>((_, reject) => {
        lifecycle.destroySignal.addEventListener("abort", () => reject(lifecycle.destroySignal.reason));
      });
    });
    const destroy = lifecycle.perform("destroy", async () => {
      lifecycle.moveTo("stopping");
      lifecycle.moveTo("gone");
    });
    await expect(lifecycle.perform("pause", async () => undefined)).rejects.toThrow("is being destroyed");
    await expect(create).rejects.toThrow("is being destroyed");
    await destroy;
    expect(lifecycle.status).toBe("gone");
    await expect(lifecycle.perform("resume", async () => undefined)).rejects.toThrow("is being destroyed");
  });

  it("can be destroyed again after a destroy that failed", async () => {
    const lifecycle = new Lifecycle({ id: "sb1", status: "running" });
    await expect(
      lifecycle.perform("destroy", async () => {
        lifecycle.moveTo("stopping");
        throw new Error("the namespace is busy");
      }),
    ).rejects.toThrow("busy");
    await lifecycle.perform("destroy", async () => lifecycle.moveTo("gone"));
    expect(lifecycle.status).toBe("gone");
  });

  it("ends in a valid state and never runs two operations at once, whatever is asked for in whatever order", async () => {
    const kinds: OperationKind[] = ["pause", "resume", "snapshot", "fork", "destroy"];
    const steps: Record<string, [SandboxStatus, SandboxStatus, SandboxStatus, SandboxStatus]> = {
      // kind: [needed state, state meanwhile, state after success, state after failure]
      pause: ["running", "pausing", "paused", "running"],
      resume: ["paused", "resuming", "running", "paused"],
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ kind: fc.constantFrom(...kinds), fails: fc.boolean() }), { maxLength: 12 }),
        async (calls) => {
          const lifecycle = new Lifecycle({ id: "sb1", status: "running" });
          let underWay = 0;
          const results = calls.map(({ kind, fails }) =>
            lifecycle.perform(kind, async () => {
              underWay += 1;
              expect(underWay).toBe(1);
              try {
                if (kind === "destroy") {
                  lifecycle.moveTo("stopping");
                  await Promise.resolve();
                  lifecycle.moveTo("gone");
                  return;
                }
                const step = steps[kind];
                if (!step) return await Promise.resolve();
                lifecycle.require(step[0]);
                lifecycle.moveTo(step[1]);
                await Promise.resolve();
                lifecycle.moveTo(fails ? step[3] : step[2]);
              } finally {
                underWay -= 1;
              }
            }),
          );
          await Promise.allSettled(results);
          await lifecycle.settled();
          const destroyed = calls.some(({ kind }) => kind === "destroy");
          expect(["running", "paused", "gone"]).toContain(lifecycle.status);
          expect(lifecycle.status === "gone").toBe(destroyed);
        },
      ),
    );
  });
});
