import { readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WarrenError } from "@warren/contracts/errors";

/** Writes one setting. The file is there already: control group files are never created. */
export async function setting(path: string, value: string | number): Promise<void> {
  await writeFile(path, `${value}`, { flag: "r+" });
}

/** Writes one setting of a group that may lack its controller, or may be gone. */
export async function settingIfThere(path: string, value: string | number): Promise<void> {
  try {
    await setting(path, value);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Reads a file of a group; undefined when the group or the file is not there. */
export async function reading(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** A group that is removed while its file is open answers ENODEV. */
export function isGone(error: unknown): boolean {
  return ["ENOENT", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "");
}

/** Process ids in the `cgroup.procs` of a group; none when the group is not there. */
export async function processIds(directory: string): Promise<number[]> {
  const text = await reading(`${directory}/cgroup.procs`);
  return text === undefined ? [] : text.split("\n").filter(Boolean).map(Number);
}

/** Names of the groups directly below a group. */
export async function groupNames(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Milliseconds until the second attempt, twice as many each time up to the longest pause, and how many: 5 seconds in all. */
const FIRST_RETRY_MS = 1;
const RETRY_MS = 10;
const ATTEMPTS = 500;

/**
 * Repeats `attempt` until it says true. A process leaves its group a moment after its end can be observed, once the
 * kernel has torn it down, and version 1 of the interface has no event for that.
 */
export async function untilEmpty(directory: string, attempt: () => Promise<boolean>): Promise<void> {
  for (let n = 0; n < ATTEMPTS; n++) {
    if (await attempt()) return;
    await sleep(Math.min(RETRY_MS, FIRST_RETRY_MS * 2 ** n));
  }
  const ids = await processIds(directory);
  throw new WarrenError(
    "agent_error",
    `the control group ${directory} still has processes: ${ids.join(", ") || "zombies"}`,
  );
}

/** Kills a process that is in the group; one that has ended meanwhile needs no killing. */
export function killProcess(id: number): void {
  try {
    process.kill(id, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Removes the directory of a group, and the one above when it was the last in it. Does nothing when it is not there. */
export async function removeGroup(directory: string): Promise<void> {
  await untilEmpty(directory, () => removed(directory));
  await removed(dirname(directory));
}

/** Whether the directory is gone; false when it has processes or groups in it. */
async function removed(directory: string): Promise<boolean> {
  try {
    await rmdir(directory);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return true;
    // ENOTEMPTY where a file system says so of groups inside.
    if (code === "EBUSY" || code === "ENOTEMPTY") return false;
    throw error;
  }
}
