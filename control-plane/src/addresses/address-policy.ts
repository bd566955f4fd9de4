import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** Addresses that count as public and are a cloud's own: whoever reaches them is taken for the machine. */
const METADATA = ["168.63.129.16/32"].map((network) => ipaddr.parseCIDR(network));

type Address = ReturnType<typeof ipaddr.process>;

/** Which addresses that strangers name the server may reach: public ones, and those of networks that the operator allows. */
export class AddressPolicy {
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

/** Reads addresses and networks with commas between them. */
export function parseNetworks(text: string): string[] {
  return text.split(",").map((part) => {
    const [address = "", bits = "", ...rest] = part.trim().split("/");
    const most = isIP(address) === 6 ? 128 : 32;
    const isNetwork = bits === "" ? !part.includes("/") : /^\d{1,3}$/.test(bits) && Number(bits) <= most;
    if (isIP(address) === 0 || !isNetwork || rest.length > 0) {
      throw new Error(`"${part.trim()}" is neither an address nor a network such as 10.0.0.0/8`);
    }
    return part.trim();
  });
}

/** Reads what is allowed beside public addresses: 1 for all, 0 for nothing, or networks. */
export function parseAllowedNetworks(text: string): string[] {
  if (text === "1" || text === "true") return ["0.0.0.0/0", "::/0"];
  if (text === "0" || text === "false") return [];
  return parseNetworks(text);
}
