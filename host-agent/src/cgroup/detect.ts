import type { Cgroup, Cgroups } from "./cgroup.ts";
import { DeviceProgram } from "./device-program.ts";
import { VMM_DEVICES } from "./devices.ts";
import { CONTROLLERS, type Hierarchy, OPTIONAL_CONTROLLERS, readHierarchies } from "./hierarchy.ts";
import { createV1Cgroups } from "./v1.ts";
import { createV2Cgroups, v2Controllers } from "./v2.ts";

/** Controllers of version 1 that are used where they are mounted: those that bound, one that counts, one that kills. */
const V1_CONTROLLERS: readonly string[] = [...CONTROLLERS, "cpuacct", "freezer", ...OPTIONAL_CONTROLLERS.v1];

/** The control groups of this host: version 2 when its controllers are there, else version 1, else none. */
export async function detectCgroups(hierarchies?: Hierarchy[]): Promise<Cgroups> {
  const all = hierarchies ?? (await readHierarchies());
  const v2 = all.find(({ version }) => version === "v2");
  const controllers = v2 === undefined ? [] : await v2Controllers(v2);
  if (v2 !== undefined && CONTROLLERS.some((name) => controllers.includes(name))) {
    const { devices, notice } = loadDeviceProgram();
    return createV2Cgroups(v2, [noticeOf(controllers), notice].filter(Boolean).join("; ") || undefined, devices);
  }
  const v1 = all.filter(
    ({ version, controllers }) => version === "v1" && controllers.some((name) => V1_CONTROLLERS.includes(name)),
  );
  const mounted = v1.flatMap((hierarchy) => hierarchy.controllers);
  if (v1.length > 0) return createV1Cgroups(v1, noticeOf(mounted));
  return NONE;
}

/** Without it microVMs start all the same, since no file system that a VMM sees has another device. */
function loadDeviceProgram(): { devices?: DeviceProgram; notice?: string } {
  try {
    return { devices: DeviceProgram.load(VMM_DEVICES) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { notice: `the devices that a VMM process may open are not bounded by its control group (${reason})` };
  }
}

const CONSEQUENCES = {
  memory: "the memory that a VMM process takes beyond its guest's is not bounded",
  cpu: "the processor time of a microVM is not bounded",
  pids: "the number of threads of a VMM process is bounded by its user's limit only",
} as const satisfies Record<(typeof CONTROLLERS)[number], string>;

function noticeOf(present: readonly string[]): string | undefined {
  const missing = CONTROLLERS.filter((name) => !present.includes(name));
  if (missing.length === 0) return undefined;
  return `control groups lack ${missing.map((name) => `${name} (${CONSEQUENCES[name]})`).join(" and ")}`;
}

/** A group on a host without control groups: nothing to enter, nothing to remove. */
const NO_GROUP: Cgroup = {
  directories: [],
  entrances: [],
  create: async () => undefined,
  setCpuShare: async () => undefined,
  processes: async () => [],
  usage: async () => ({ cpuMicroseconds: undefined, memoryBytes: undefined }),
  kill: async () => undefined,
  remove: async () => undefined,
};

const NONE: Cgroups = {
  version: "none",
  notice: noticeOf([]),
  group: () => NO_GROUP,
  at: () => NO_GROUP,
  list: async () => [],
};
