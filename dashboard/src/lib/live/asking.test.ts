import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Asking } from "./asking.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A question whose answers take `takesMs`, and are numbered by when they were asked for; the `failing`th brings none. */
function question(takesMs: number, { gatherMs, failing }: { gatherMs?: number; failing?: number } = {}) {
  let asked = 0;
  let isHidden = false;
  const answers: number[] = [];
  const errors: unknown[] = [];
  let isAsking = false;
  const asking = new Asking<number>({
    load: async () => {
      const number = ++asked;
      await new Promise((resolve) => setTimeout(resolve, takesMs));
      if (number === failing) throw new Error("failed");
      return number;
    },
    onAsking: (now) => {
      isAsking = now;
    },
    onAnswer: (data) => answers.push(data),
    onError: (error) => errors.push(error),
    isHidden: () => isHidden,
    ...(gatherMs === undefined ? {} : { gatherMs }),
  });
  return {
    asking,
    answers,
    errors,
    count: () => asked,
    isAsking: () => isAsking,
    hide: (hidden: boolean) => {
      isHidden = hidden;
    },
  };
}

it("answers also while reasons to ask come faster than answers", async () => {
  const { asking, answers, count } = question(400);
  void asking.now();
  for (let ms = 0; ms < 10_000; ms += 50) {
    asking.soon();
    await vi.advanceTimersByTimeAsync(50);
  }
  expect(answers.length).toBeGreaterThan(10);
  expect(answers).toEqual(Array.from(answers, (_, index) => index + 1));
  expect(count()).toBeLessThanOrEqual(answers.length + 1);
});

it("asks once more after the last reason, for what came while an answer was awaited", async () => {
  const { asking, answers, isAsking } = question(400);
  void asking.now();
  await vi.advanceTimersByTimeAsync(100);
  asking.soon();
  await vi.advanceTimersByTimeAsync(5000);
  expect(answers).toEqual([1, 2]);
  expect(isAsking()).toBe(false);
});

it("knows only the answer to the newest question", async () => {
  const { asking, answers } = question(400);
  void asking.now();
  await vi.advanceTimersByTimeAsync(100);
  void asking.now();
  await vi.advanceTimersByTimeAsync(5000);
  expect(answers).toEqual([2]);
});

it("asks nothing while nobody looks, and makes up for it", async () => {
  const { asking, answers, hide } = question(10);
  hide(true);
  asking.soon();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(answers).toEqual([]);
  hide(false);
  asking.seen();
  await vi.advanceTimersByTimeAsync(1000);
  expect(answers).toEqual([1]);
  asking.seen();
  await vi.advanceTimersByTimeAsync(1000);
  expect(answers).toEqual([1]);
});

it("tells of what went wrong, and asks again", async () => {
  const { asking, answers, errors, isAsking } = question(10, { failing: 2 });
  for (let number = 0; number < 3; number++) await Promise.all([asking.now(), vi.advanceTimersByTimeAsync(20)]);
  expect(errors).toHaveLength(1);
  expect(answers).toEqual([1, 3]);
  expect(isAsking()).toBe(false);
});

it("asks soon after the first reason, and seldom while they go on and on", async () => {
  const { asking, count } = question(10, { gatherMs: 2000 });
  asking.soon();
  await vi.advanceTimersByTimeAsync(200);
  expect(count()).toBe(1);
  asking.soon();
  await vi.advanceTimersByTimeAsync(500);
  expect(count()).toBe(2);
  for (let ms = 0; ms < 20_000; ms += 50) {
    asking.soon();
    await vi.advanceTimersByTimeAsync(50);
  }
  expect(count()).toBeLessThan(15);
  await vi.advanceTimersByTimeAsync(10_000);
  const before = count();
  asking.soon();
  await vi.advanceTimersByTimeAsync(200);
  expect(count()).toBe(before + 1);
});
