import { expect, it } from "vitest";
import { OutputWindow } from "./output-window.ts";

const isDone = async (promise: Promise<void>) =>
  Promise.race([promise.then(() => true), new Promise((resolve) => setImmediate(resolve)).then(() => false)]);

it("lets output through until the window is full, and again once the client has used some", async () => {
  const window = new OutputWindow(100);
  expect(await isDone(window.sent(60))).toBe(true);
  const full = window.sent(60);
  expect([await isDone(full), window.isFull]).toEqual([false, true]);
  expect(window.used(20)).toBe(true);
  expect(await isDone(full)).toBe(false);
  expect(window.used(1)).toBe(true);
  expect([await isDone(full), window.isFull]).toEqual([true, false]);
});

it("believes no client that has used more than it was sent", async () => {
  const window = new OutputWindow(100);
  await window.sent(50);
  expect([window.used(51), window.used(50), window.used(1)]).toEqual([false, true, false]);
});

it("is never full without a size", async () => {
  const window = new OutputWindow();
  expect([await isDone(window.sent(1e12)), window.isFull, window.isBounded]).toEqual([true, false, false]);
});
