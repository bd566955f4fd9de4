import { linkSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { DiskSpace } from "./disk-space.ts";
import { DiskUsage } from "./disk-usage.ts";

const MIB = 1024 * 1024;

function dataDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "warren-usage-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const store of ["disks", "snapshots/one"]) mkdirSync(join(directory, store), { recursive: true });
  return directory;
}

test("a file counts what it takes on disk, once under however many names", async () => {
  const directory = dataDirectory();
  const layer = join(directory, "disks/layer");
  writeFileSync(layer, Buffer.alloc(MIB, 1));
  linkSync(layer, join(directory, "snapshots/one/layer"));
  writeFileSync(join(directory, "elsewhere"), Buffer.alloc(MIB, 1));
  expect(await new DiskUsage(directory).bytes()).toBe(statSync(layer).blocks * 512);
});

test("a file that grows all the time is measured each time", async () => {
  const directory = dataDirectory();
  const layer = join(directory, "disks/layer");
  writeFileSync(layer, Buffer.alloc(MIB, 1));
  const usage = new DiskUsage(directory);
  const before = await usage.bytes([layer]);
  writeFileSync(layer, Buffer.alloc(3 * MIB, 1));
  expect((await usage.bytes([layer])) - before).toBeGreaterThanOrEqual(2 * MIB);
});

test("what has been promised is not there for others until the promise is over", async () => {
  const directory = dataDirectory();
  const space = new DiskSpace(directory, { reserveBytes: 0, limitBytes: 10 * MIB }, new DiskUsage(directory));
  const over = await space.promise(8 * MIB);
  await expect(space.promise(4 * MIB)).rejects.toMatchObject({ code: "host_disk_full" });
  over();
  over();
  (await space.promise(10 * MIB))();
});

test("a host whose sandboxes take all that they may refuses another one in words", async () => {
  const directory = dataDirectory();
  const space = new DiskSpace(directory, { reserveBytes: 0, limitBytes: 0 }, new DiskUsage(directory));
  await expect(space.requireLeft()).rejects.toMatchObject({
    code: "host_full",
    message: expect.stringMatching(/of the 0.00 GiB of the host's disk they may; destroy a sandbox/),
  });
  // What takes data out may go on: it is the reserve that is kept for that.
  await space.requireAccess();
});
