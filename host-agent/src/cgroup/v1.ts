import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Cgroup, CgroupLimits, Cgroups, CgroupUsage } from "./cgroup.ts";
import { VMM_DEVICES } from "./devices.ts";
import {
  groupNames,
  killProcess,
  processIds,
  reading,
  removeGroup,
  setting,
  settingIfThere,
  untilEmpty,
} from "./files.ts";
import type { Hierarchy } from "./hierarchy.ts";

/** Microseconds over which processor time is shared out, cpu.cfs_period_us. */
const PERIOD_US = 100_000;
/** blkio.weight of one processor's worth, and its range. */
const IO_WEIGHT_PER_CPU = 100;
const IO_WEIGHT = { min: 10, max: 1000 } as const;
/** cpu.shares of one processor's worth; the least is 2. */
const SHARES_PER_CPU = 1024;

/**
 * Groups in version 1 of the interface: a directory in each hierarchy. They lie below the host agent's own group, so that
 * limits set on the host agent from outside hold for its microVMs too.
 */
export function createV1Cgroups(hierarchies: Hierarchy[], notice: string | undefined): Cgroups {
  const parents = hierarchies.map(({ mountPoint, own }) => join(mountPoint, own));
  const at = (directories: readonly string[]): Cgroup => new V1Cgroup(directories);
  return {
    version: "v1",
    notice,
    at,
    group: (name) => at(parents.map((parent) => join(parent, name))),
    async list(parent) {
      const names = await Promise.all(parents.map((directory) => groupNames(join(directory, parent))));
      return [...new Set(names.flat())];
    },
  };
}

/** Takes all devices from a group but those of a VMM. One that the groups above may not open stays forbidden. */
async function boundDevices(directory: string): Promise<void> {
  if ((await reading(`${directory}/devices.list`)) === undefined) return;
  await setting(`${directory}/devices.deny`, "a");
  for (const { type, major, minor, access } of VMM_DEVICES) {
    const device = `${type === "char" ? "c" : "b"} ${major}:${minor} ${access}`;
    await setting(`${directory}/devices.allow`, device).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EPERM") throw error;
    });
  }
}

class V1Cgroup implements Cgroup {
  readonly directories: readonly string[];
  /** Directories in which files of counters were found, by the names of the files. */
  readonly #counters = new Map<string, string>();

  constructor(directories: readonly string[]) {
    this.directories = directories;
  }

  get entrances(): string[] {
    return this.directories.map((directory) => `${directory}/cgroup.procs`);
  }

  async create(limits: CgroupLimits): Promise<void> {
    await Promise.all(
      this.directories.map(async (directory) => {
        await mkdir(directory, { recursive: true });
        // Each hierarchy has the files of its own controllers.
        await settingIfThere(`${directory}/memory.limit_in_bytes`, limits.memoryBytes);
        await settingIfThere(`${directory}/pids.max`, limits.tasks);
        await settingIfThere(`${directory}/cpu.cfs_period_us`, PERIOD_US);
        await settingIfThere(`${directory}/cpu.cfs_quota_us`, Math.round(limits.cpus * PERIOD_US));
        await boundDevices(directory);
      }),
    );
    await this.setCpuShare(limits.cpuShare ?? limits.cpus);
  }

  async setCpuShare(cpus: number): Promise<void> {
    const shares = Math.max(2, Math.round(cpus * SHARES_PER_CPU));
    const weight = Math.round(cpus * IO_WEIGHT_PER_CPU);
    const bounded = Math.min(IO_WEIGHT.max, Math.max(IO_WEIGHT.min, weight));
    await Promise.all(
      this.directories.map(async (directory) => {
        await settingIfThere(`${directory}/cpu.shares`, shares);
        // Each is there with its own scheduler of the disk.
        for (const file of ["blkio.weight", "blkio.bfq.weight"]) await settingIfThere(`${directory}/${file}`, bounded);
      }),
    );
  }

  async processes(): Promise<number[]> {
    const ids = await Promise.all(this.directories.map(processIds));
    return [...new Set(ids.flat())];
  }

  async usage(): Promise<CgroupUsage> {
    const [nanoseconds, bytes] = await Promise.all([
      this.#counter("cpuacct.usage"),
      this.#counter("memory.usage_in_bytes"),
    ]);
    return {
      cpuMicroseconds: nanoseconds === undefined ? undefined : BigInt(nanoseconds.trim()) / 1000n,
      memoryBytes: bytes === undefined ? undefined : Number(bytes),
    };
  }

  /** What a file says that is in the directory of one hierarchy; undefined when it is in none. */
  async #counter(file: string): Promise<string | undefined> {
    const known = this.#counters.get(file);
    for (const directory of known === undefined ? this.directories : [known]) {
      const text = await reading(`${directory}/${file}`);
      if (text === undefined) continue;
      this.#counters.set(file, directory);
      return text;
    }
    return undefined;
  }

  /**
   * Processes that stand still cannot fork: they are frozen, killed, and die when they are let go. The group may be
   * removed meanwhile, by whoever waited for the end of its last process.
   */
  async kill(): Promise<void> {
    const states = (
      await Promise.all(
        this.directories.map(async (directory) => {
          const file = `${directory}/freezer.state`;
          return (await reading(file)) === undefined ? [] : [file];
        }),
      )
    ).flat();
    for (const directory of this.directories) {
      await untilEmpty(directory, async () => {
        const ids = await processIds(directory);
        if (ids.length === 0) return true;
        for (const file of states) await settingIfThere(file, "FROZEN");
        for (const id of await processIds(directory)) killProcess(id);
        for (const file of states) await settingIfThere(file, "THAWED");
        return false;
      });
    }
  }

  async remove(): Promise<void> {
    await Promise.all(this.directories.map(removeGroup));
  }
}
