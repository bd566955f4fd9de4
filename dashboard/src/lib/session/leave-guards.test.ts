import { expect, it, vi } from "vitest";
import { LeaveGuards } from "./leave-guards.ts";

/** Guards that answer so; a guard that has been agreed with asks no more until somebody stays. */
function guardsOf(...answers: boolean[]) {
  const guards = new LeaveGuards();
  const asked = answers.map((answer) => {
    let agreed = false;
    const ask = vi.fn(() => answer);
    guards.add({
      holds: () => !agreed,
      ask: () => {
        if (agreed) return true;
        agreed = ask();
        return agreed;
      },
      stay: () => {
        agreed = false;
      },
    });
    return ask;
  });
  return { guards, asked };
}

it("asks each, and goes when all may be lost", async () => {
  const { guards, asked } = guardsOf(true, true);
  const leave = vi.fn(async () => {});
  expect(await guards.leaveBy(leave)).toBe(true);
  expect(asked.map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
  expect(leave).toHaveBeenCalledOnce();
});

it("asks again of what somebody agreed to lose when another thing kept them", async () => {
  const { guards, asked } = guardsOf(true, false);
  const leave = vi.fn(async () => {});
  expect(await guards.leaveBy(leave)).toBe(false);
  expect(await guards.leaveBy(leave)).toBe(false);
  expect(asked[0]).toHaveBeenCalledTimes(2);
  expect(leave).not.toHaveBeenCalled();
});

it("asks again when the way out failed", async () => {
  const { guards, asked } = guardsOf(true);
  const fails = () => guards.leaveBy(() => Promise.reject(new Error("The server does not answer.")));
  await expect(fails()).rejects.toThrow("does not answer");
  await expect(fails()).rejects.toThrow("does not answer");
  expect(asked[0]).toHaveBeenCalledTimes(2);
});
