import type { Machine } from "../vmm.ts";

/** A description of a microVM none of whose files exist. */
export function describedMachine(changes: Partial<Machine> = {}): Machine {
  return {
    id: "sbaaaaaaaaaaaaaaaaaaaa",
    vcpus: 2,
    memoryMb: 256,
    kernel: "/images/vmlinuz",
    initramfs: "/images/initramfs",
    kernelArguments: ["warren.root=/dev/vda"],
    disk: {
      layers: [
        { path: "/data/top.qcow2", format: "qcow2" },
        { path: "/data/middle.qcow2", format: "qcow2" },
        { path: "/images/root.ext4", format: "raw" },
      ],
    },
    memory: { file: { path: "/data/memory", own: false } },
    network: { namespacePath: "/run/netns/warren-ns-1", tap: "tap0", mac: "02:fc:00:00:00:05" },
    jail: { directory: "/data/jail", uid: 2100000001, cgroup: "warren/sbaaaaaaaaaaaaaaaaaaaa" },
    ...changes,
  };
}
