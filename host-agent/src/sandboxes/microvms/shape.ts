import type { MachineShape } from "../../snapshots/manifest.ts";
import type { Vmm } from "../../vmm/vmm.ts";

/** The shape that a machine of a size has on this host. */
export async function shapeOf(
  vmm: Vmm,
  { vcpus, memoryMb }: Pick<MachineShape, "vcpus" | "memoryMb">,
): Promise<MachineShape> {
  return { vmm: vmm.version, accelerator: vmm.accelerator, cpu: vmm.processor, vcpus, memoryMb };
}
