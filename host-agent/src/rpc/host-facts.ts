import { statfs } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { BASE_TEMPLATE } from "@warren/contracts/identifiers";
import { LIMITS } from "@warren/contracts/limits";
import type { BootImages } from "../images/images.ts";
import type { Vmm } from "../vmm/vmm.ts";

/** What a host offers. */
export interface HostFacts {
  arch: string;
  cpuCores: number;
  /** MiB. */
  memoryMb: number;
  /** GiB free on the file system of the data directory. */
  diskGb: number;
  accelerator: string;
  /** Why it emulates processors in software; empty where it does not. */
  emulationReason: string;
  version: string;
  templates: {
    teamId: string;
    name: string;
    type: string;
    vcpus: number;
    memoryMb: number;
    sizeBytes: bigint;
    createdAtUnixMs: bigint;
  }[];
}

/** Reads the facts of this host. */
export async function readHostFacts(dataDirectory: string, vmm: Vmm, images: BootImages): Promise<HostFacts> {
  const { bavail, bsize } = await statfs(dataDirectory);
  return {
    arch: process.arch === "x64" ? "amd64" : process.arch,
    cpuCores: availableParallelism(),
    memoryMb: Math.floor(totalmem() / 1024 ** 2),
    diskGb: Math.floor((bavail * bsize) / 1024 ** 3),
    accelerator: vmm.accelerator,
    emulationReason: vmm.emulationReason,
    version: vmm.version,
    templates: [
      {
        teamId: "",
        name: BASE_TEMPLATE,
        type: "base",
        vcpus: LIMITS.vcpus.default,
        memoryMb: LIMITS.memoryMb.default,
        sizeBytes: BigInt(images.base.virtualSize),
        createdAtUnixMs: 0n,
      },
    ],
  };
}
