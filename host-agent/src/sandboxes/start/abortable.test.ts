import { expect, test } from "vitest";
import { abortable } from "./abortable.ts";

test("a wait that is aborted ends with the reason, before or while it lasts, and the work goes on", async () => {
  const work = Promise.withResolvers<string>();
  const stop = new AbortController();
  const waiting = expect(abortable(work.promise, stop.signal)).rejects.toThrow("enough");
  stop.abort(new Error("enough"));
  await waiting;
  await expect(abortable(work.promise, stop.signal)).rejects.toThrow("enough");
  work.resolve("done");
  expect(await abortable(work.promise, new AbortController().signal)).toBe("done");
});
