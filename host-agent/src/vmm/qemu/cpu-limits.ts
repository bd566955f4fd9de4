import type { CgroupLimits } from "../../cgroup/cgroup.ts";
import type { Machine } from "../vmm.ts";

/** Processors' worth of time for devices, beside one for each vCPU. */
const DEVICE_CPUS = 0.25;
/** What a microVM in the background gets of a full share. Not so little that it never comes to an end on a busy host. */
const BACKGROUND_SHARE = 0.1;

/** Bounds of the processor time of a microVM's process. */
export function cpuLimits({
  vcpus,
  background,
}: Pick<Machine, "vcpus" | "background">): Required<Pick<CgroupLimits, "cpus" | "cpuShare">> {
  const cpus = vcpus + DEVICE_CPUS;
  return { cpus, cpuShare: background ? cpus * BACKGROUND_SHARE : cpus };
}
