import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import type { Cgroup, CgroupLimits, Cgroups, CgroupUsage } from "./cgroup.ts";
import type { DeviceProgram } from "./device-program.ts";
import {
  groupNames,
  isGone,
  killProcess,
  processIds,
  reading,
  removeGroup,
  setting,
  settingIfThere,
  untilEmpty,
} from "./files.ts";
import { CONTROLLERS, type Hierarchy, OPTIONAL_CONTROLLERS } from "./hierarchy.ts";

/** Microseconds over which processor time is shared out, the second value of cpu.max. */
const PERIOD_US = 100_000;
/** cpu.weight of one processor's worth; the range is 1 to 10000. */
const WEIGHT_PER_CPU = 100;
/** Highest weight that all schedulers of disks take. */
const MAX_IO_WEIGHT = 1000;
/** How often the groups above may vanish while a group is made, because another host agent removed its last one. */
const RACES = 5;

/**
 * Groups in version 2 of the interface. They lie beside the host agent's own group: a group with processes cannot hand
 * controllers to groups inside it, and a service manager that stops the host agent kills what is inside its group.
 * `devices` says which devices their processes may open; all where it is undefined.
 */
export function createV2Cgroups(
  hierarchy: Hierarchy,
  notice: string | undefined,
  devices: DeviceProgram | undefined,
): Cgroups {
  const parent = join(hierarchy.mountPoint, dirname(hierarchy.own));
  const at = (directories: readonly string[]): Cgroup => new V2Cgroup(directories, devices);
  return {
    version: "v2",
    notice,
    at,
    group: (name) => at([join(parent, name)]),
    list: (name) => groupNames(join(parent, name)),
  };
}

/** Controllers that the group beside the host agent's own may hand on. */
export async function v2Controllers(hierarchy: Hierarchy): Promise<string[]> {
  const text = await reading(join(hierarchy.mountPoint, dirname(hierarchy.own), "cgroup.controllers"));
  return text?.trim().split(" ").filter(Boolean) ?? [];
}

class V2Cgroup implements Cgroup {
  readonly directories: readonly string[];
  readonly #directory: string;
  readonly #devices: DeviceProgram | undefined;

  constructor(directories: readonly string[], devices: DeviceProgram | undefined) {
    const [directory] = directories;
    if (directory === undefined) throw new WarrenError("internal_error", "a control group without a directory");
    this.directories = directories;
    this.#directory = directory;
    this.#devices = devices;
  }

  get entrances(): string[] {
    return [`${this.#directory}/cgroup.procs`];
  }

  async create(limits: CgroupLimits): Promise<void> {
    for (let races = 0; ; races++) {
      try {
        await this.#make(limits);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT" || races === RACES) throw error;
      }
    }
  }

  async #make(limits: CgroupLimits): Promise<void> {
    const above = dirname(this.#directory);
    for (const group of [dirname(above), above]) {
      await mkdir(group, { recursive: true });
      const available = (await reading(`${group}/cgroup.controllers`))?.trim().split(" ") ?? [];
      const wanted = [...CONTROLLERS, ...OPTIONAL_CONTROLLERS.v2]
        .filter((name) => available.includes(name))
        .map((name) => `+${name}`);
      if (wanted.length > 0) await setting(`${group}/cgroup.subtree_control`, wanted.join(" "));
    }
    await mkdir(this.#directory, { recursive: true });
    this.#devices?.attach(this.#directory);
    await settingIfThere(`${this.#directory}/memory.max`, limits.memoryBytes);
    await settingIfThere(`${this.#directory}/pids.max`, limits.tasks);
    await settingIfThere(`${this.#directory}/cpu.max`, `${Math.round(limits.cpus * PERIOD_US)} ${PERIOD_US}`);
    await this.setCpuShare(limits.cpuShare ?? limits.cpus);
  }

  async setCpuShare(cpus: number): Promise<void> {
    const weight = Math.min(10_000, Math.max(1, Math.round(cpus * WEIGHT_PER_CPU)));
    await settingIfThere(`${this.#directory}/cpu.weight`, weight);
    // Each is there with its own scheduler of the disk.
    for (const file of ["io.weight", "io.bfq.weight"]) {
      await settingIfThere(`${this.#directory}/${file}`, Math.min(weight, MAX_IO_WEIGHT));
    }
  }

  processes(): Promise<number[]> {
    return processIds(this.#directory);
  }

  async usage(): Promise<CgroupUsage> {
    const [stat, memory] = await Promise.all([
      reading(`${this.#directory}/cpu.stat`),
      reading(`${this.#directory}/memory.current`),
    ]);
    const microseconds = /^usage_usec (\d+)$/m.exec(stat ?? "")?.[1];
    return {
      cpuMicroseconds: microseconds === undefined ? undefined : BigInt(microseconds),
      memoryBytes: memory === undefined ? undefined : Number(memory),
    };
  }

  /** cgroup.kill, from Linux 5.14 on, kills forks in progress too; before, all are killed until none is left. */
  async kill(): Promise<void> {
    const atOnce = `${this.#directory}/cgroup.kill`;
    await untilEmpty(this.#directory, async () => {
      if ((await processIds(this.#directory)).length === 0) return true;
      // The file cannot be read, only written.
      try {
        await setting(atOnce, 1);
      } catch (error) {
        if (!isGone(error)) throw error;
        // Asked anew: when it is the whole group that is gone, there is nobody to kill.
        for (const id of await processIds(this.#directory)) killProcess(id);
      }
      return false;
    });
  }

  async remove(): Promise<void> {
    await removeGroup(this.#directory);
  }
}
