import { link, mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { requireDisk, requireRoom } from "./capacity.ts";
import { DiskUsage } from "./disk-usage.ts";

const MIB = 1024 * 1024;
const NOTHING = { count: 0, memoryMb: 0 };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-capacity-"));
  await mkdir(join(directory, "disks"));
  await mkdir(join(directory, "memory/layers"), { recursive: true });
  return () => rm(directory, { recursive: true, force: true });
});

describe("disk usage", () => {
  it("is what is allocated: holes and second names of a file take nothing", async () => {
    await writeFile(join(directory, "disks/a"), Buffer.alloc(3 * MIB, 1));
    await link(join(directory, "disks/a"), join(directory, "memory/layers/a"));
    await writeFile(join(directory, "memory/layers/b"), Buffer.alloc(MIB, 1));
    await truncate(join(directory, "memory/layers/b"), 1024 * MIB);
    await writeFile(join(directory, "elsewhere"), Buffer.alloc(MIB, 1));
    expect(Math.round((await new DiskUsage(directory).bytes()) / MIB)).toBe(4);
  });
});

describe("room for a sandbox", () => {
  const require = (limits: { sandboxes?: number; memoryOvercommit?: number; diskBytes?: number }, taken = NOTHING) =>
    requireRoom(directory, { sandboxes: 10, memoryOvercommit: 1, ...limits }, new DiskUsage(directory), taken, 512);
  const refused = (text: string) =>
    expect.objectContaining({ code: "host_full", message: expect.stringContaining(text) });

  it("ends with the number of sandboxes, and with the memory that is promised", async () => {
    await require({});
    await expect(require({ sandboxes: 3 }, { count: 3, memoryMb: 0 })).rejects.toEqual(refused("as many as it may"));
    await expect(require({}, { count: 1, memoryMb: 10_000_000 })).rejects.toEqual(refused("of guest memory"));
  });

  it("ends with the disk that may be taken", async () => {
    await writeFile(join(directory, "disks/a"), Buffer.alloc(3 * MIB, 1));
    await require({ diskBytes: 4 * MIB });
    await expect(require({ diskBytes: 3 * MIB })).rejects.toEqual(refused("of disk they may"));
    const limits = { sandboxes: 10, memoryOvercommit: 1 };
    await requireDisk(limits, new DiskUsage(directory));
    await expect(requireDisk({ ...limits, diskBytes: MIB }, new DiskUsage(directory))).rejects.toEqual(
      refused("of disk they may"),
    );
  });
});
