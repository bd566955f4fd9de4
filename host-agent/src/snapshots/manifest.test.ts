import { describe, expect, it } from "vitest";
import { type MachineShape, parseManifest, requireSameShape, type SnapshotManifest } from "./manifest.ts";

const ID = "0123456789abcdef0123456789abcdef";
const shape: MachineShape = { vmm: "qemu 7.2.1", accelerator: "tcg", cpu: "AMD 25 1 1", vcpus: 1, memoryMb: 512 };
const manifest: SnapshotManifest = {
  version: 1,
  id: ID,
  createdAt: 1,
  shape,
  memory: "1".repeat(32),
  disk: { layers: ["2".repeat(32)], base: { path: "/base", format: "raw", virtualSize: 1 } },
  token: "t",
  state: { crc32: 1, bytes: 1 },
};

describe("the shape of a machine", () => {
  it("must be the same in everything that a saved state depends on", () => {
    requireSameShape(shape, { ...shape });
    for (const [name, value] of Object.entries({
      vmm: "qemu 10.0.0",
      accelerator: "kvm",
      cpu: "Intel 6 1 1",
      vcpus: 2,
      memoryMb: 256,
    })) {
      const different = () => requireSameShape(shape, { ...shape, [name]: value });
      expect(different).toThrow(expect.objectContaining({ code: "snapshot_incompatible" }));
      expect(different).toThrow(`${name} was`);
    }
  });
});

describe("a manifest", () => {
  it("is read as it was written", () => {
    expect(parseManifest(JSON.stringify(manifest), ID)).toEqual(manifest);
  });

  it.each([
    ["no JSON", "{"],
    ["another kind of JSON", "[]"],
    ["null", "null"],
    ["another version", JSON.stringify({ ...manifest, version: 2 })],
    ["another snapshot", JSON.stringify({ ...manifest, id: "f".repeat(32) })],
    ["no memory", JSON.stringify({ ...manifest, memory: "../../etc" })],
    ["disk layers that are paths", JSON.stringify({ ...manifest, disk: { ...manifest.disk, layers: ["../x"] } })],
    ["no base image", JSON.stringify({ ...manifest, disk: { layers: [] } })],
    ["no token", JSON.stringify({ ...manifest, token: undefined })],
    ["no device state", JSON.stringify({ ...manifest, state: undefined })],
    ["no time", JSON.stringify({ ...manifest, createdAt: "now" })],
    ["half a shape", JSON.stringify({ ...manifest, shape: { ...shape, vcpus: undefined } })],
    ["no shape", JSON.stringify({ ...manifest, shape: undefined })],
  ])("that is %s is refused", (_name, text) => {
    expect(() => parseManifest(text, ID)).toThrow(expect.objectContaining({ code: "snapshot_damaged" }));
  });
});
