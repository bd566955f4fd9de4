import ipaddr from "ipaddr.js";

/** Addresses that count as public and are a cloud's own: whoever reaches them is taken for the machine. */
const METADATA = ["168.63.129.16/32"].map((network) => ipaddr.parseCIDR(network));

type Address = ReturnType<typeof ipaddr.process>;

/** Which addresses webhooks may reach: public ones, and those of networks that the operator allows. */
export class TargetPolicy {
  readonly #allowed: [Address, number][];

  /** `allowed`: addresses and networks, such as 10.0.0.0/8. */
  constructor(allowed: readonly string[]) {
    this.#allowed = allowed.map((network) =>
      network.includes("/") ? ipaddr.parseCIDR(network) : [ipaddr.parse(network), network.includes(":") ? 128 : 32],
    );
  }

  /**
   * Whether an address may be reached. An IPv6 address that stands for one of IPv4 (mapped) is that one; those that are
   * translated on their way (NAT64, 6to4, Teredo) are refused as private ones are.
   */
  allows(text: string): boolean {
    if (!ipaddr.isValid(text)) return false;
    const address = ipaddr.process(text);
    if (isIn(address, this.#allowed)) return true;
    return address.range() === "unicast" && !isIn(address, METADATA);
  }
}

function isIn(address: Address, networks: [Address, number][]): boolean {
  return networks.some(([network, bits]) => address.kind() === network.kind() && address.match(network, bits));
}

/** Reads `WARREN_WEBHOOK_ALLOW_PRIVATE`: 1 for all addresses, or networks with commas between them. */
export function parseAllowedTargets(text: string): string[] {
  if (text === "1" || text === "true") return ["0.0.0.0/0", "::/0"];
  if (text === "0" || text === "false") return [];
  return text.split(",").map((part) => {
    const network = part.trim();
    const isNetwork = network.includes("/") ? ipaddr.isValidCIDR(network) : ipaddr.isValid(network);
    if (isNetwork && !/^\d+$/.test(network)) return network;
    throw new Error(`"${network}" is neither 1, 0, an address nor a network such as 10.0.0.0/8`);
  });
}
