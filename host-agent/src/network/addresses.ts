import { WarrenError } from "@warren/contracts/errors";

/** A block of IPv4 addresses. */
export interface AddressBlock {
  /** Lowest address, as an unsigned 32-bit number. */
  first: number;
  /** 0–32. */
  prefixLength: number;
}

/** The two blocks from which the addresses of all slots are taken, in CIDR notation. */
export interface SlotNetworks {
  /** One address per slot, at which the host reaches the guest. */
  guests: string;
  /** One /31 per slot, between the host and the slot's namespace. */
  links: string;
}

export const DEFAULT_NETWORKS: SlotNetworks = { guests: "10.11.0.0/16", links: "10.12.0.0/16" };

/** Names and addresses of one slot. */
export interface SlotAddresses {
  /** From 1. */
  number: number;
  namespace: string;
  /** Host's end of the veth pair. Its other end is `eth0` in the namespace. */
  veth: string;
  /** Address at which the host reaches the guest, translated to the guest's own in the namespace. */
  hostIp: string;
  /** Address of the host's end of the veth pair. */
  vethIp: string;
  /** Address of the namespace's end of the veth pair. What the guest sends leaves the namespace with this source. */
  peerIp: string;
}

/**
 * Addresses that a guest may not talk to: IANA's special-purpose addresses (RFC 6890) with private, shared, link-local ones
 * and the metadata service among them, multicast, and the one address by which Azure configures its machines.
 *
 * Of the registry's globally reachable blocks, three are not here, since whoever answers there is as public as any server:
 * 192.31.196.0/24 and 192.175.48.0/24 (AS112 name servers) and 192.52.193.0/24 (multicast relays). Those within
 * 192.0.0.0/24 are: there the host's own network answers, and opens ports to whoever asks (RFC 7723).
 */
export const FORBIDDEN_BLOCKS: readonly string[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "168.63.129.16/32",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

/** Where a plan may lie: forbidden to guests, and usable on a link (RFC 1918, RFC 6598). */
const USABLE_BLOCKS = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"].map(parseBlock);

/** A slot's link takes two addresses, and the number must leave room in the 15 characters of an interface name. */
const HIGHEST_SLOT = 32_767;

export const NAMESPACE_PREFIX = "warren-ns-";
export const VETH_PREFIX = "warren-v";

/** Which addresses and names every slot of a host agent has. */
export class AddressPlan {
  readonly networks: SlotNetworks;
  /** Slots are numbered from 1 to this. */
  readonly highestSlot: number;
  readonly #guests: AddressBlock;
  readonly #links: AddressBlock;

  /** Throws `invalid_request` when the networks are malformed, too small, public or overlap each other. */
  constructor(networks: SlotNetworks = DEFAULT_NETWORKS) {
    this.networks = networks;
    this.#guests = parseBlock(networks.guests);
    this.#links = parseBlock(networks.links);
    for (const [text, block] of [
      [networks.guests, this.#guests],
      [networks.links, this.#links],
    ] as const) {
      if (!USABLE_BLOCKS.some((usable) => contains(usable, block))) {
        throw new WarrenError(
          "invalid_request",
          `the network ${text} cannot be used for sandboxes: choose a part of 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12 or 192.168.0.0/16`,
        );
      }
    }
    if (overlap(this.#guests, this.#links)) {
      throw new WarrenError(
        "invalid_request",
        `the sandbox networks ${networks.guests} and ${networks.links} overlap: choose two that do not`,
      );
    }
    // The lowest address of the guests' block and the lowest pair of the links' block belong to no slot, nor does the broadcast address.
    this.highestSlot = Math.min(HIGHEST_SLOT, size(this.#guests) - 2, size(this.#links) / 2 - 1);
    if (this.highestSlot < 1) {
      throw new WarrenError(
        "invalid_request",
        `the sandbox networks ${networks.guests} and ${networks.links} are too small: each needs at least 4 addresses`,
      );
    }
  }

  /** Throws `invalid_request` when the plan has no such slot. */
  slot(number: number): SlotAddresses {
    if (!Number.isInteger(number) || number < 1 || number > this.highestSlot) {
      throw new WarrenError(
        "invalid_request",
        `there is no network slot ${number}: they go from 1 to ${this.highestSlot}`,
      );
    }
    return {
      number,
      namespace: `${NAMESPACE_PREFIX}${number}`,
      veth: `${VETH_PREFIX}${number}`,
      hostIp: formatAddress(this.#guests.first + number),
      vethIp: formatAddress(this.#links.first + 2 * number),
      peerIp: formatAddress(this.#links.first + 2 * number + 1),
    };
  }

  /** The plan's network, in CIDR notation, that has an address in common with `block`. */
  conflict(block: AddressBlock): string | undefined {
    if (overlap(this.#guests, block)) return this.networks.guests;
    if (overlap(this.#links, block)) return this.networks.links;
    return undefined;
  }
}

/** Reads CIDR notation; a plain address is a block of one. Throws `invalid_request` for anything else, also for bits set beyond the prefix. */
export function parseBlock(text: string): AddressBlock {
  const match = /^([\d.]+)(?:\/(\d{1,2}))?$/.exec(text);
  const first = match && parseAddress(match[1]!);
  const prefixLength = Number(match?.[2] ?? 32);
  if (first === undefined || first === null || prefixLength > 32 || first % 2 ** (32 - prefixLength) !== 0) {
    throw new WarrenError(
      "invalid_request",
      `"${text}" is no IPv4 network: it is written like 10.11.0.0/16, with zeros after the prefix`,
    );
  }
  return { first, prefixLength };
}

/** Reads a dotted quad as an unsigned 32-bit number; undefined when it is none. */
export function parseAddress(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let address = 0;
  for (const part of parts) {
    // A leading zero means octal to some programs and decimal to others.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    address = address * 256 + Number(part);
  }
  return address;
}

/** Writes an unsigned 32-bit number as a dotted quad. */
export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

/** Whether two blocks have an address in common. */
export function overlap(one: AddressBlock, other: AddressBlock): boolean {
  return contains(one, other) || contains(other, one);
}

/** Whether all addresses of `inner` are in `outer`. */
export function contains(outer: AddressBlock, inner: AddressBlock): boolean {
  return (
    inner.prefixLength >= outer.prefixLength && inner.first >= outer.first && inner.first < outer.first + size(outer)
  );
}

function size(block: AddressBlock): number {
  return 2 ** (32 - block.prefixLength);
}
