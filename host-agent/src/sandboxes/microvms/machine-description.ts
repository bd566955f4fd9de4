import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { userIdOf } from "@warren/server/user-ids";
import type { DiskLayers } from "../../disk/layers.ts";
import { guestNetworkParameters, type Slot } from "../../network/network.ts";
import type { Jail, Machine } from "../../vmm/vmm.ts";
import type { SandboxRecord } from "../record/journal.ts";

/**
 * Describes the microVM of a record; the same record and slot always give the same description, but for the descriptor of
 * sealed memory, which only a microVM that is started needs.
 */
export function describeMachine(
  record: SandboxRecord,
  directory: string,
  slot: Slot,
  disks: DiskLayers,
  dns: readonly string[],
  sealedMemory?: number,
): Machine {
  if (!record.memory) throw new WarrenError("internal_error", `sandbox ${record.id} has no memory`);
  return {
    id: record.instance,
    vcpus: record.spec.vcpus,
    memoryMb: record.spec.memoryMb,
    kernel: record.boot.kernel,
    initramfs: record.boot.initramfs,
    kernelArguments: ["warren.root=/dev/vda", ...guestNetworkParameters(dns), "warren.hostname=warren"],
    disk: disks.image(record.disk),
    memory: {
      file: {
        path: record.memory.path,
        own: record.memory.own ?? false,
        ...(sealedMemory !== undefined && { sealed: sealedMemory }),
      },
    },
    network: slot.attachment,
    jail: describeJail(record.instance, directory, slot.number),
  };
}

/** Bounds of the VMM process of a sandbox in a slot. */
export function describeJail(instance: string, directory: string, slotNumber: number): Jail {
  return { directory: join(directory, "jail"), uid: userIdOf(slotNumber), cgroup: `warren/${instance}` };
}
