import { execFile } from "node:child_process";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { runMounted } from "../testing/mounted.ts";
import { scratchDirectory } from "../testing/scratch.ts";

const run = promisify(execFile);

test("a full disk is reported, leaves nothing half-made and harms nothing that is there", async () => {
  const directory = await scratchDirectory();
  const mount = ["-t", "tmpfs", "-o", "size=12m", "tmpfs"];
  const facts = await runMounted(mount, directory, "full-disk-process.ts");
  const expected = { tooLarge: "host_disk_full", leftOver: 0, cannotCompose: "host_disk_full", temporaryImages: [] };
  expect(facts).toEqual([
    // Pages that stream to disk meet its end while they are copied, pages that are held when they are published.
    { captureBuffers: 1, streamed: "never copied", ...expected },
    { captureBuffers: 6, streamed: false, ...expected },
  ]);
});

test.for(["xfs", "btrfs"])("on %s an image shares its pages with the layers", async (type, { skip }) => {
  const scratch = await scratchDirectory();
  const device = join(scratch, "device");
  const file = await open(device, "w");
  await file.truncate(512 * 1024 * 1024);
  await file.close();
  await run(`mkfs.${type}`, ["-q", device]).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") skip(`mkfs.${type} is not installed`);
    throw error;
  });
  const directory = join(scratch, "mounted");
  await mkdir(directory);
  const facts = await runMounted(["-o", "loop", device], directory, "reflink-process.ts");
  expect(facts).toMatchObject({ equal: true });
  const { imageBytes, takenBytes } = facts as { imageBytes: number; takenBytes: number };
  expect(imageBytes).toBeGreaterThan(30 * 1024 * 1024);
  expect(takenBytes).toBeLessThan(imageBytes / 10);
});
