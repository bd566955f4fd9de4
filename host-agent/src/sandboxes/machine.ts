import { mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DiskStore } from "../disk/disk.ts";
import { GUEST_NETWORK, type Slot } from "../network/network.ts";
import type { Jail, Machine } from "../vmm/vmm.ts";
import type { SandboxRecord } from "./journal.ts";

/** First user id of microVMs: that of slot n is this plus n. Slots are unique on a machine, so these are too. */
const FIRST_UID = 700_000;

/** Name servers of the guests. */
export interface GuestNames {
  dns: readonly string[];
}

/** Describes the microVM of a record; the same record and slot always give the same description. */
export function describeMachine(record: SandboxRecord, directory: string, slot: Slot, names: GuestNames): Machine {
  return {
    id: record.id,
    vcpus: record.vcpus,
    memoryMb: record.memoryMb,
    kernel: record.boot.kernel,
    initramfs: record.boot.initramfs,
    kernelArguments: [
      "warren.root=/dev/vda",
      `warren.address=${GUEST_NETWORK.address}/${GUEST_NETWORK.prefixLength}`,
      `warren.gateway=${GUEST_NETWORK.gateway}`,
      `warren.dns=${names.dns.join(",")}`,
      "warren.hostname=warren",
    ],
    disk: {
      layers: [
        { path: diskPath(directory), format: "qcow2" },
        { path: record.boot.base, format: record.boot.baseFormat },
      ],
    },
    memoryFile: memoryPath(directory),
    network: slot.attachment,
    jail: describeJail(record.id, directory, slot.number),
  };
}

/** Bounds of the VMM process of a sandbox in a slot. */
export function describeJail(id: string, directory: string, slotNumber: number): Jail {
  return { directory: join(directory, "jail"), uid: FIRST_UID + slotNumber, cgroup: `warren/${id}` };
}

/** Makes the files that a microVM needs before its first boot. */
export async function createMachineFiles(record: SandboxRecord, directory: string, disks: DiskStore): Promise<void> {
  await mkdir(join(directory, "jail"), { recursive: true, mode: 0o700 });
  await disks.create(diskPath(directory), {
    path: record.boot.base,
    format: record.boot.baseFormat,
    virtualSize: record.boot.virtualSize,
  });
  await writeFile(memoryPath(directory), "", { mode: 0o600 });
  await truncate(memoryPath(directory), record.memoryMb * 1024 ** 2);
}

function diskPath(directory: string): string {
  return join(directory, "disk.qcow2");
}

function memoryPath(directory: string): string {
  return join(directory, "memory");
}
