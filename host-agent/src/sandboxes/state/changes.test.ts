import { expect, test } from "vitest";
import { SandboxChanges } from "./changes.ts";

test("a watcher learns of each sandbox once, however often it changed while the watcher was busy", async () => {
  const changes = new SandboxChanges();
  const stop = new AbortController();
  changes.happened("before");
  const watch = changes.watch(stop.signal);
  expect((await watch.next()).value).toEqual([]);
  const next = watch.next();
  changes.happened("a");
  expect((await next).value).toEqual(["a"]);
  for (const id of ["b", "c", "b"]) changes.happened(id);
  expect((await watch.next()).value).toEqual(["b", "c"]);
  const last = watch.next();
  stop.abort();
  expect(await last).toEqual({ done: true, value: undefined });
});

test("watchers do not take changes from each other", async () => {
  const changes = new SandboxChanges();
  const { signal } = new AbortController();
  const watches = [changes.watch(signal), changes.watch(signal)];
  for (const watch of watches) await watch.next();
  changes.happened("a");
  for (const watch of watches) expect((await watch.next()).value).toEqual(["a"]);
});
