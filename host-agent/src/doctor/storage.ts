import { constants } from "node:fs";
import { copyFile, mkdtemp, readFile, rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Check } from "./finding.ts";

const GIB = 1024 ** 3;

/** Images and a few sandboxes; images alone, while they are built. */
const COMFORTABLE_DISK = 10 * GIB;
const LEAST_DISK = 3 * GIB;

/** A sandbox of the default size beside the servers. */
const COMFORTABLE_MEMORY = 4 * GIB;
const LEAST_MEMORY = 1 * GIB;

/** Checks of the disk under a data directory and of the memory. */
export function storageChecks(dataDir: string): Check[] {
  return [
    { name: "disk space", run: () => diskSpace(dataDir) },
    { name: "reflink", run: () => reflink(dataDir) },
    { name: "memory", run: memory },
  ];
}

async function diskSpace(dataDir: string): ReturnType<Check["run"]> {
  const place = await nearestDirectory(dataDir);
  const { bavail, bsize } = await statfs(place);
  const free = bavail * bsize;
  const found = `${gib(free)} free for ${dataDir}`;
  if (free < LEAST_DISK) {
    return { status: "fail", found, consequence: `images alone need ${gib(LEAST_DISK)} while they are built` };
  }
  if (free < COMFORTABLE_DISK) return { status: "warn", found, consequence: "there is room for few sandboxes" };
  return { status: "ok", found };
}

async function reflink(dataDir: string): ReturnType<Check["run"]> {
  const place = await nearestDirectory(dataDir);
  let directory: string | undefined;
  try {
    directory = await mkdtemp(join(place, ".warren-doctor-"));
    await writeFile(join(directory, "source"), "x".repeat(4096));
    await copyFile(join(directory, "source"), join(directory, "clone"), constants.COPYFILE_FICLONE_FORCE);
    return { status: "ok", found: `files under ${place} can share blocks` };
  } catch (error) {
    return {
      status: "warn",
      found: `not under ${place} (${(error as NodeJS.ErrnoException).code})`,
      consequence: "copies of disks and snapshots take time and space: XFS and btrfs have reflinks",
    };
  } finally {
    if (directory) await rm(directory, { recursive: true, force: true });
  }
}

async function memory(): ReturnType<Check["run"]> {
  const text = await readFile("/proc/meminfo", "utf8");
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1]) * 1024;
  const found = `${gib(available)} available`;
  if (available < LEAST_MEMORY)
    return { status: "fail", found, consequence: "a sandbox of the default size finds no room" };
  if (available < COMFORTABLE_MEMORY) return { status: "warn", found, consequence: "there is room for few sandboxes" };
  return { status: "ok", found };
}

/** The directory, or the closest one above it that exists. */
async function nearestDirectory(path: string): Promise<string> {
  const exists = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return exists || dirname(path) === path ? path : nearestDirectory(dirname(path));
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
