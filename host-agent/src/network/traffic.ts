import { readFileSync } from "node:fs";
import type { SlotTraffic } from "./network.ts";

/**
 * What has gone through a slot, by the counters of the host's end of its veth pair (Documentation/ABI/testing/
 * sysfs-class-net-statistics): what the host received there the guest has sent.
 */
export function trafficOf(veth: string): SlotTraffic | undefined {
  try {
    return { receivedBytes: counter(veth, "tx_bytes"), sentBytes: counter(veth, "rx_bytes") };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // EINVAL: the interface goes at this moment.
    if (code === "ENOENT" || code === "EINVAL" || code === "ENODEV") return undefined;
    throw error;
  }
}

function counter(veth: string, name: string): number {
  return Number(readFileSync(`/sys/class/net/${veth}/statistics/${name}`, "latin1"));
}
