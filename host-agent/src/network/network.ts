/** The one network card of a microVM. */
export interface NetworkAttachment {
  /** Path of the network namespace, such as /run/netns/warren-ns-7. */
  namespacePath: string;
  /** Tap device inside that namespace. */
  tap: string;
  /** Fixed for all microVMs, so that a restored guest has an address that is right. */
  mac: string;
}

/** A prepared network: namespace, veth pair, tap, addresses and firewall, for one microVM. */
export interface Slot {
  /** From 1; decides all names and addresses. */
  number: number;
  /** Address at which the host reaches the guest. */
  hostIp: string;
  attachment: NetworkAttachment;
}

/** Bytes that the network card of a microVM has received and sent since its slot was made, headers included. */
export interface SlotTraffic {
  receivedBytes: number;
  sentBytes: number;
}

/** Hands out network slots. A slot belongs to one microVM at a time and is pooled ahead of need. */
export interface SlotPool {
  /** Takes a slot; throws `host_full` when none is left. */
  acquire(): Promise<Slot>;
  /** The slot of a microVM that outlived an earlier host agent; throws `not_found` when it is gone or another's. */
  adopt(number: number): Promise<Slot>;
  /** Removes a slot once its microVM is gone, and resolves when nothing of it is left. A second call joins the first. */
  release(slot: Slot): Promise<void>;
  /** What has gone through a slot in use; undefined when it is gone. Takes microseconds. */
  traffic(slot: Slot): SlotTraffic | undefined;
  /**
   * Removes the slots that earlier host agents of this data directory have left and that are not in `used`, and those of
   * dead host agents whose data directory is gone.
   */
  sweep(used: ReadonlySet<number>): Promise<void>;
  /** How many slots microVMs have, and how many are prepared for others. */
  count(): { used: number; ready: number };
  /** Removes the prepared slots that nobody took. Slots in use stay, and can still be released. */
  close(): Promise<void>;
}

/** Addresses inside every microVM, the same in all of them. */
export const GUEST_NETWORK = {
  address: "169.254.0.21",
  prefixLength: 30,
  gateway: "169.254.0.22",
  /** Hardware addresses of the guest and of its gateway. Each side is told that of the other, so that none has to ask. */
  mac: "02:fc:00:00:00:05",
  gatewayMac: "02:fc:00:00:00:06",
  agentPort: 49983,
} as const;

/** Kernel parameters by which the guest agent sets up the network. */
export function guestNetworkParameters(dns: readonly string[]): string[] {
  const { address, prefixLength, gateway, gatewayMac } = GUEST_NETWORK;
  return [
    `warren.address=${address}/${prefixLength}`,
    `warren.gateway=${gateway}`,
    `warren.gateway_mac=${gatewayMac}`,
    `warren.dns=${dns.join(",")}`,
  ];
}
