import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { Apt } from "../images/apt.ts";
import { readDistribution } from "../images/distribution.ts";
import { KERNEL_FILES, kernelRecipe } from "../images/kernel.ts";
import { ImageStore } from "../images/store.ts";
import { toolRunner } from "../images/tool.ts";
import { QEMU } from "../vmm/qemu/host.ts";
import { probeKvm } from "../vmm/qemu/kvm-probe.ts";
import { readQemuVersion } from "../vmm/qemu/version.ts";
import type { Check } from "./finding.ts";

/** What follows when guests cannot run on KVM. */
async function emulation(): Promise<string> {
  const slow = "microVMs are emulated in software, many times slower";
  const qemu = await readQemuVersion(QEMU).catch(() => undefined);
  if (qemu === undefined || qemu.parallelEmulation) return slow;
  const turns = `with QEMU ${qemu.text} the vCPUs of one sandbox take turns on one processor of this machine`;
  return `${slow}; ${turns}, since side by side they may hang`;
}

/** Boots a guest on KVM, since the device alone proves nothing; without a kernel to boot, says what is known. */
export function kvmCheck(imagesDir: string): Check {
  return {
    name: "KVM",
    async run() {
      const openable = await access("/dev/kvm", constants.R_OK | constants.W_OK).then(
        () => true,
        () => false,
      );
      if (!openable) return { status: "warn", found: "/dev/kvm cannot be opened", consequence: await emulation() };
      const kernel = await findKernel(imagesDir);
      if (kernel === undefined) {
        return {
          status: "warn",
          found: "/dev/kvm is there",
          consequence: "whether it works is known once 'warren build-images' has made a kernel to boot on it",
        };
      }
      const { usable, reason } = await probeKvm({ ...kernel, verdictFile: join(imagesDir, "kvm-verdict.json") });
      if (usable) return { status: "ok", found: reason };
      return { status: "warn", found: reason, consequence: await emulation() };
    },
  };
}

/** The kernel that microVMs boot, if it is built. */
async function findKernel(imagesDir: string): Promise<{ kernel: string; kernelRelease: string } | undefined> {
  const nothing = () => undefined;
  const recipe = kernelRecipe(await readDistribution(), new Apt(toolRunner(), nothing), false, nothing);
  const folder = await new ImageStore(imagesDir, nothing).find(recipe);
  const kernelRelease = folder?.resolved.release;
  if (folder === undefined || kernelRelease === undefined) return undefined;
  return { kernel: join(folder.path, KERNEL_FILES.vmlinuz), kernelRelease };
}
