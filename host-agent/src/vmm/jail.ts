import { constants } from "node:fs";
import { chmod, chown, mkdir, open, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import type { Cgroup, Cgroups } from "../cgroup/cgroup.ts";
import { HeldProcess, processesOf, startTicks } from "../linux/process-identity.ts";
import { mountTable, type View } from "./view.ts";
import type { Jail } from "./vmm.ts";

/** Bytes of a device state; those seen have about 13 thousand, and more with each virtual processor. */
const MAX_DEVICE_STATE = 16 * 1024 * 1024;

/**
 * What lies in a jail directory. All of it belongs to root, and the VMM process sees only what is below `root`, in which
 * it can write one file and make none: even a guest that has taken over the VMM cannot fill the host's disk from here,
 * nor lead the host agent astray with a link.
 */
export interface JailPaths {
  /** Root directory of the VMM process. */
  root: string;
  /** Where the VMM process writes its device state, as the host sees it. */
  rawState: string;
  /** The device state in the hands of the host agent. */
  state: string;
  /** Mounts of the VMM process, as `mountTable` gives them. */
  mounts: string;
  /** Directories of the control group, one on each line. Written before they are made. */
  cgroup: string;
}

/** Path of the device state as the VMM process sees it. */
export const STATE_IN_CHROOT = "/device-state";

export function jailPaths({ directory }: Jail): JailPaths {
  const root = join(directory, "root");
  return {
    root,
    rawState: join(root, STATE_IN_CHROOT),
    state: join(directory, "device-state"),
    mounts: join(directory, "mounts"),
    cgroup: join(directory, "cgroup"),
  };
}

/** Makes the files of a jail, and notes down its control group so that `sweepJail` finds it after a crash. */
export async function prepareJail(jail: Jail, cgroup: Cgroup, view: View): Promise<void> {
  if (!Number.isInteger(jail.uid) || jail.uid <= 0) {
    throw new WarrenError("internal_error", `user id ${jail.uid} cannot own a microVM`);
  }
  const paths = jailPaths(jail);
  await mkdir(jail.directory, { recursive: true });
  await chown(jail.directory, 0, 0);
  await chmod(jail.directory, 0o700);
  await rm(paths.root, { recursive: true, force: true });
  await mkdir(paths.root);
  await chmod(paths.root, 0o755);
  const file = await open(paths.rawState, "wx", 0o600);
  try {
    await file.chown(jail.uid, jail.uid);
  } finally {
    await file.close();
  }
  await writeFile(paths.mounts, mountTable(view, paths.root), { mode: 0o600 });
  const note = await open(paths.cgroup, "w", 0o600);
  try {
    await note.writeFile(cgroup.directories.map((directory) => `${directory}\n`).join(""));
    await note.sync();
  } finally {
    await note.close();
  }
}

/** The control group that a jail was given. */
export async function jailCgroup(jail: Jail, cgroups: Cgroups): Promise<Cgroup> {
  try {
    const directories = (await readFile(jailPaths(jail).cgroup, "utf8")).split("\n").filter(Boolean);
    if (directories.length > 0) return cgroups.at(directories);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return cgroups.group(jail.cgroup);
}

/** Takes the device state out of the jail, into a file that the VMM process cannot reach. */
export async function takeDeviceState(jail: Jail): Promise<string> {
  const paths = jailPaths(jail);
  const source = await open(paths.rawState, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = await source.stat();
    if (size === 0 || size > MAX_DEVICE_STATE) {
      throw new WarrenError("agent_error", `the VMM wrote a device state of ${size} bytes, which cannot be right`);
    }
    const state = Buffer.alloc(size);
    const { bytesRead } = await source.read(state, 0, size, 0);
    const target = await open(paths.state, "w", 0o600);
    try {
      await target.writeFile(state.subarray(0, bytesRead));
    } finally {
      await target.close();
    }
    return paths.state;
  } finally {
    await source.close();
  }
}

/** Kills every process of a jail and removes its control group. Leaves the directory to its owner. */
export async function sweepJail(jail: Jail, cgroups: Cgroups): Promise<void> {
  const cgroup = await jailCgroup(jail, cgroups);
  await cgroup.kill();
  const directory = await realDirectory(jail.directory);
  for (const pid of await processesOf(jail.uid, directory)) {
    const ticks = await startTicks(pid);
    const held = ticks === undefined ? undefined : await HeldProcess.take({ pid, startTicks: ticks });
    if (held === undefined) continue;
    try {
      // Asked again now that the id cannot change hands.
      if (!(await processesOf(jail.uid, directory)).includes(pid)) continue;
      held.kill();
      await held.gone();
    } finally {
      held.release();
    }
  }
  await cgroup.remove();
}

async function realDirectory(directory: string): Promise<string> {
  try {
    return await realpath(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return directory;
    throw error;
  }
}
