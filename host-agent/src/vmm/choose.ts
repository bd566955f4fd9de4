import { join } from "node:path";
import type { Logger } from "pino";
import { detectCgroups } from "../cgroup/detect.ts";
import type { BootImages } from "../images/images.ts";
import { createQemuVmm } from "./qemu/driver.ts";
import { examineQemuHost } from "./qemu/host.ts";
import { probeKvm } from "./qemu/kvm-probe.ts";
import type { Vmm } from "./vmm.ts";

/** What a VMM is chosen for. */
export interface VmmPurpose {
  /** Files that microVMs boot from and the directory of all such files; without them, microVMs can only be ended. */
  images?: BootImages & { directory: string };
  log: Logger;
}

/** Gives the VMM of a host. */
export type ChooseVmm = (purpose: VmmPurpose) => Promise<Vmm>;

/**
 * Finds out which VMMs this host has, which takes a tenth of a second. There is QEMU alone, with KVM where a guest has
 * booted with it. `examined`: what is being found out of QEMU already.
 */
export async function examineVmms(examined = examineQemuHost()): Promise<ChooseVmm> {
  const host = await examined;
  return async ({ images, log }) => {
    const cgroups = await detectCgroups();
    const kvm =
      images &&
      (await probeKvm({
        version: host.version.text,
        kernel: images.vmlinux,
        kernelRelease: images.kernelRelease,
        verdictFile: join(images.directory, "kvm-verdict.json"),
      }));
    if (kvm) log.info(kvm, "looked for KVM");
    return createQemuVmm({
      accelerator: kvm?.usable ? "kvm" : "tcg",
      ...(kvm && { emulationReason: kvm.reason }),
      host,
      cgroups,
      warn: (message, cause) => log.warn({ err: cause }, message),
    });
  };
}
