import { expect, test } from "vitest";
import type { DiskLayers } from "../../disk/layers.ts";
import type { Slot } from "../../network/network.ts";
import type { SandboxRecord } from "../record/journal.ts";
import { DEFAULT_SPEC } from "../record/spec.ts";
import { describeMachine } from "./machine-description.ts";

const SLOT: Slot = {
  number: 7,
  hostIp: "10.0.0.7",
  attachment: { namespacePath: "/run/netns/warren-ns-7", tap: "tap0", mac: "02:fc:00:00:00:05" },
};
const DISKS = { image: ({ layers }: { layers: string[] }) => ({ layers }) } as unknown as DiskLayers;
const RECORD = {
  id: "sbnew",
  instance: "sbformer",
  spec: { ...DEFAULT_SPEC, vcpus: 3, memoryMb: 640 },
  boot: { kernel: "/kernel", initramfs: "/initramfs" },
  disk: { layers: ["top", "bottom"] },
  memory: { header: null, path: "/memory", own: true },
} as unknown as SandboxRecord;
const describe = (record: SandboxRecord, sealed?: number) =>
  describeMachine(record, "/data/sbformer", SLOT, DISKS, ["9.9.9.9"], sealed);

test("a host agent finds a microVM by the description that the one before it started it by, sealed memory aside", () => {
  const started = describe(RECORD, 12);
  const adopted = describe(structuredClone(RECORD));
  expect(started.memory.file.sealed).toBe(12);
  expect({ ...started, memory: { file: { path: "/memory", own: true } } }).toEqual(adopted);
});

test("a microVM has the size and the files of its record, and a jail that only its own instance has", () => {
  expect(describe(RECORD)).toMatchObject({
    id: "sbformer",
    vcpus: 3,
    memoryMb: 640,
    kernel: "/kernel",
    initramfs: "/initramfs",
    disk: { layers: ["top", "bottom"] },
    network: SLOT.attachment,
    jail: { directory: "/data/sbformer/jail", cgroup: "warren/sbformer" },
  });
  const other = describeMachine(RECORD, "/data/sbformer", { ...SLOT, number: 8 }, DISKS, []);
  expect(other.jail.uid).not.toBe(describe(RECORD).jail.uid);
  expect(describe(RECORD).kernelArguments).toContain("warren.dns=9.9.9.9");
});

test("a record without memory describes none", () => {
  const { memory: _, ...record } = RECORD;
  expect(() => describe(record as SandboxRecord)).toThrow(/has no memory/);
});
