import fc from "fast-check";
import { expect, it } from "vitest";
import { InputQueue } from "./input-queue.ts";

it("gives items in order, and tells the producer when to wait and when to go on, in turn", async () => {
  const step = fc.oneof(fc.record({ push: fc.nat(400) }), fc.constant("take" as const));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const signals: string[] = [];
      const queue = new InputQueue<number>({
        high: 2000,
        low: 600,
        onHigh: () => signals.push("wait"),
        onLow: () => signals.push("go on"),
      });
      const items = queue[Symbol.asyncIterator]();
      let pushed = 0;
      let taken = 0;
      for (const next of steps) {
        if (next !== "take") queue.push(pushed++, next.push);
        else if (taken < pushed) expect((await items.next()).value).toBe(taken++);
        expect(signals).toEqual(signals.map((_, index) => (index % 2 === 0 ? "wait" : "go on")));
      }
      while (taken < pushed) expect((await items.next()).value).toBe(taken++);
      // An empty queue never keeps its producer waiting.
      expect(signals.length % 2).toBe(0);
    }),
  );
});

it("wakes a consumer that waits, and ends for it", async () => {
  const queue = new InputQueue<string>({ high: 1, low: 0, onHigh: () => undefined, onLow: () => undefined });
  const items = queue[Symbol.asyncIterator]();
  const waiting = items.next();
  queue.push("a");
  expect(await waiting).toEqual({ done: false, value: "a" });
  const last = items.next();
  queue.end();
  queue.push("b");
  expect(await last).toEqual({ done: true, value: undefined });
});

it("counts empty items too, so that they cannot pile up", () => {
  let waits = 0;
  const queue = new InputQueue<string>({ high: 10_000, low: 0, onHigh: () => waits++, onLow: () => undefined });
  for (let n = 0; n < 100; n++) queue.push("signal");
  expect(waits).toBe(1);
});
