import type { Logger } from "pino";
import { expect, test } from "vitest";
import { READ_STATE, useFakeHost, writeState } from "../../testing/fake-host.ts";
import { GarbageCollector, type GarbageCollectorParts } from "./garbage-collector.ts";

const host = useFakeHost();
const snapshots = () =>
  host()
    .files()
    .filter((path) => /^snapshots\/[0-9a-f]{32}\/manifest/.test(path)).length;

test("of the pauses of a sandbox the last one is kept, and what it needs of those before", async () => {
  const id = await host().create();
  await host().sandboxes.pause(id);
  await expect.poll(snapshots).toBe(2);
  for (const state of [1, 2]) {
    await host().run((await host().sandboxes.resume(id)).id, writeState(state));
    await host().sandboxes.pause(id);
  }
  // Its own, and the built-in template's.
  await expect.poll(snapshots).toBe(2);
  await host().sandboxes.resume(id);
  expect(await host().run(id, READ_STATE)).toBe("2\n");
});

test("a template that is deleted goes from the disk with the last sandbox that was started from it", async () => {
  const id = await host().create();
  const before = snapshots();
  await host().sandboxes.createTemplate(id, "team", "gone", false);
  const child = await host().create({ template: "gone" });
  await host().sandboxes.deleteTemplate("team", "gone");
  await host().sandboxes.pause(child);
  await host().sandboxes.resume(child);
  expect(await host().run(child, "echo on")).toBe("on\n");
  await host().sandboxes.destroy(child);
  await expect.poll(snapshots).toBe(before);
});

/** A collector whose collections end when they are told to. */
function collector() {
  const begun: PromiseWithResolvers<void>[] = [];
  const failures: string[] = [];
  const parts = {
    registry: { all: () => [] },
    templates: { list: () => [] },
    baseTemplates: { ids: () => [] },
    memoryImages: { collect: async () => undefined },
    snapshots: {
      collect: () => {
        const collection = Promise.withResolvers<void>();
        begun.push(collection);
        return collection.promise;
      },
    },
    log: { error: (_: unknown, message: string) => void failures.push(message) } as unknown as Logger,
  };
  return { garbage: new GarbageCollector(parts as unknown as GarbageCollectorParts), begun, failures };
}

test("what becomes garbage during a collection is collected by one more, however often it is asked for", async () => {
  const { garbage, begun } = collector();
  garbage.schedule();
  for (let calls = 0; calls < 3; calls++) garbage.schedule();
  expect(begun).toHaveLength(1);
  begun[0]?.resolve();
  await expect.poll(() => begun.length).toBe(2);
  begun[1]?.resolve();
  await garbage.close();
  expect(begun).toHaveLength(2);
});

test("a collection that fails is told of, and the next one is made all the same", async () => {
  const { garbage, begun, failures } = collector();
  garbage.schedule();
  garbage.schedule();
  begun[0]?.reject(new Error("no"));
  await expect.poll(() => begun.length).toBe(2);
  expect(failures).toEqual(["cannot remove what is no longer needed"]);
  begun[1]?.resolve();
  await garbage.close();
});

test("nothing is collected once it is closed, which waits for what is under way", async () => {
  const { garbage, begun } = collector();
  garbage.schedule();
  garbage.schedule();
  let isClosed = false;
  const closed = garbage.close().then(() => {
    isClosed = true;
  });
  await new Promise(setImmediate);
  expect(isClosed).toBe(false);
  begun[0]?.resolve();
  await closed;
  garbage.schedule();
  expect(begun).toHaveLength(1);
});
