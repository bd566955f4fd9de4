import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { DiskLayers } from "../disk/layers.ts";
import { createQcow2Store } from "../disk/qcow2/store.ts";
import { MemoryStore } from "../memory/store/store.ts";
import { publisher } from "../memory/testing/publisher.ts";
import { newManifest } from "../snapshots/manifest.ts";
import { SnapshotStore } from "../snapshots/store.ts";
import { BaseTemplates } from "./base-templates.ts";

const MEMORY_BYTES = 1024 ** 2;
const published = publisher(MEMORY_BYTES);

test("the snapshot of another version stays, so that neither has to make its own again", async () => {
  const machine = await newMachine();
  expect(await machine.use("one")).toBe("made");
  expect(await machine.use("two")).toBe("made");
  expect(await machine.use("one")).toBe("linked");
  expect(await machine.use("two")).toBe("linked");
});

test("of the snapshots of one size those go that were used longest ago", async () => {
  const machine = await newMachine();
  for (const version of ["a", "b", "c", "d"]) await machine.use(version);
  await machine.use("a");
  await machine.use("e");
  expect(await machine.use("b")).toBe("made");
  expect(await machine.use("a")).toBe("linked");
  expect(await machine.count()).toBe(4);
});

test("of all sizes together, no more than 16 are kept", async () => {
  const machine = await newMachine();
  for (let vcpus = 1; vcpus <= 18; vcpus++) await machine.use("one", vcpus);
  expect(await machine.count()).toBe(16);
  expect(await machine.use("one", 3)).toBe("linked");
  expect(await machine.use("one", 1)).toBe("made");
});

/** A directory of snapshots that data directories share. */
async function newMachine() {
  const root = await mkdtemp(join(tmpdir(), "warren-frozen-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const sharedDirectory = join(root, "frozen");
  return {
    count: async () => (await readdir(sharedDirectory)).length,

    /** Has a version use its snapshot in a new data directory. */
    async use(version: string, vcpus = 1): Promise<"made" | "linked"> {
      const directory = await mkdtemp(join(root, "data-"));
      const disks = await DiskLayers.open(directory, createQcow2Store());
      const memory = await MemoryStore.open(join(directory, "memory"), { captureBuffers: 2, backgroundBuffers: 1 });
      const { store: snapshots } = await SnapshotStore.open(directory, memory, disks);
      const parts = { sharedDirectory, memory, disks, snapshots, log: pino({ level: "silent" }) };
      const shape = { vmm: version, accelerator: "tcg", cpu: "", vcpus, memoryMb: 1 } as const;
      let made = false;
      await new BaseTemplates(parts).ensure(shape, [], async (id) => {
        made = true;
        const header = await published(memory, null, { 1: 1 });
        const base = { path: "/base", format: "raw", virtualSize: 1 } as const;
        const disk = { layers: [], base };
        const draft = newManifest({ id, createdAt: 0, shape, memory: header.id, disk, token: "" });
        await snapshots.publish(draft, Buffer.from("state"));
      });
      return made ? "made" : "linked";
    },
  };
}
