import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { DiskLayers } from "../disk/layers.ts";
import { createQcow2Store } from "../disk/qcow2/store.ts";
import { MemoryStore } from "../memory/store/store.ts";
import { SnapshotStore } from "./store.ts";

async function openStore() {
  const folder = await mkdtemp(join(tmpdir(), "warren-snapshots-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const disks = await DiskLayers.open(folder, createQcow2Store());
  const { store } = await SnapshotStore.open(folder, await MemoryStore.open(join(folder, "memory")), disks);
  return { folder, disks, store };
}

test("disks that are brought in while a collection is under way are there afterwards", async () => {
  const { folder, disks, store } = await openStore();
  const source = join(folder, "source.qcow2");
  await writeFile(source, "content");
  // All are there from before, and nobody names them: those of the others keep the collection busy for a while.
  const layers = Array.from({ length: 200 }, () => disks.newId());
  for (const layer of layers) await writeFile(disks.path(layer), "content");
  const broughtIn = layers.filter((_, index) => index % 20 === 0);
  const named = new Set<string>();
  let bringIn: Promise<void> | undefined;
  const collection = store.collect(() => {
    const diskLayers = new Set(named);
    bringIn ??= store.betweenCollections(async () => {
      for (const layer of broughtIn) {
        const taken = await disks.take(layer, source);
        named.add(layer);
        taken();
      }
    });
    return { snapshots: new Set(), diskLayers };
  });
  await collection;
  await bringIn;
  await store.collect(() => ({ snapshots: new Set(), diskLayers: named }));
  for (const layer of broughtIn) expect(await readFile(disks.path(layer), "utf8")).toBe("content");
  expect(await readdir(join(folder, "disks"))).toHaveLength(broughtIn.length);
});

test("work between collections that fails keeps no collection from its turn", async () => {
  const { store } = await openStore();
  await expect(store.betweenCollections(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  await store.collect(() => ({ snapshots: new Set(), diskLayers: new Set() }));
});
