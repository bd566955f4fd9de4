import { readFile } from "node:fs/promises";
import type { MachineShape } from "../snapshots/manifest.ts";
import type { Vmm } from "../vmm/vmm.ts";

/** The shape that a machine of a size has on this host. */
export async function shapeOf(
  vmm: Vmm,
  { vcpus, memoryMb }: Pick<MachineShape, "vcpus" | "memoryMb">,
): Promise<MachineShape> {
  const cpu = vmm.accelerator === "tcg" ? "max" : await processorModel();
  return { vmm: vmm.version, accelerator: vmm.accelerator, cpu, vcpus, memoryMb };
}

/** Model and features of the host's processor as Linux names them; guests on KVM see it. */
async function processorModel(): Promise<string> {
  const text = await readFile("/proc/cpuinfo", "utf8");
  const field = (name: string) => new RegExp(`^${name}\\s*:\\s*(.*)$`, "m").exec(text)?.[1] ?? "";
  return [field("vendor_id"), field("cpu family"), field("model"), field("stepping"), field("CPU part")]
    .filter(Boolean)
    .join(" ");
}
