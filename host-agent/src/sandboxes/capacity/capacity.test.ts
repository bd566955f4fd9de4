import { link, mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { requireRoom } from "./capacity.ts";
import { type DiskLimits, DiskSpace } from "./disk-space.ts";
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
  const require = (limits: { sandboxes?: number }, taken = NOTHING) =>
    requireRoom({ sandboxes: 10, memoryOvercommit: 1, ...limits }, taken, 512);

  it("ends with the number of sandboxes, and with the memory that is promised", () => {
    require({});
    expect(() => require({ sandboxes: 3 }, { count: 3, memoryMb: 0 })).toThrow("as many as it may");
    expect(() => require({}, { count: 1, memoryMb: 10_000_000 })).toThrow("of guest memory");
  });
});

describe("disk space", () => {
  const space = (limits: Partial<DiskLimits>) =>
    new DiskSpace(directory, { reserveBytes: 0, ...limits }, new DiskUsage(directory));
  const refused = (code: string, text: string) =>
    expect.objectContaining({ code, message: expect.stringContaining(text) });

  it("ends with the disk that may be taken, with what is promised, and before the reserve", async () => {
    await writeFile(join(directory, "disks/a"), Buffer.alloc(3 * MIB, 1));
    await space({ limitBytes: 4 * MIB }).requireLeft();
    await expect(space({ limitBytes: 3 * MIB }).requireLeft()).rejects.toEqual(refused("host_full", "they may"));
    const limited = space({ limitBytes: 5 * MIB });
    const written = await limited.promise(MIB);
    await expect(limited.promise(1.5 * MIB)).rejects.toEqual(refused("host_disk_full", "2 MiB are needed"));
    written();
    written();
    await limited.promise(1.5 * MIB);
    const used = space({ reserveBytes: 2 ** 50 });
    await expect(used.requireLeft()).rejects.toEqual(refused("host_full", "in reserve"));
    await expect(used.requireAccess()).rejects.toEqual(refused("host_disk_full", "in reserve"));
  });

  it("counts the growth of files that are written, at once", async () => {
    const limited = space({ limitBytes: 8 * MIB });
    const file = join(directory, "disks/a");
    await writeFile(file, Buffer.alloc(MIB, 1));
    expect(Math.round((await limited.left()) / MIB)).toBe(7);
    await writeFile(file, Buffer.alloc(3 * MIB, 1));
    expect(Math.round((await limited.left([file])) / MIB)).toBe(5);
  });
});
