import { isIP } from "node:net";
import { WarrenError } from "@warren/contracts/errors";
import ipaddr from "ipaddr.js";

/** Where a host agent is: on a socket of the control plane's machine, or at a port, over TLS. */
export type HostPlace = { socketPath: string } | { host: string; port: number };

/**
 * Reads the address of a host: `unix:PATH` or `https://HOST:PORT`, the host as URLs write it, in brackets when it is an IPv6
 * address. Throws `invalid_request`, as it does for calls in plain over a network.
 */
export function parseHostAddress(address: string): HostPlace {
  if (address.startsWith("unix:/")) return { socketPath: address.slice("unix:".length) };
  const [, host, digits] = /^https:\/\/(\[[^\]]+\]|[^:/]+):([1-9]\d{0,4})$/.exec(address) ?? [];
  // What browsers take for an address, such as 0x7f.1, is none here.
  const isUsual = host !== undefined && URL.parse(`https://${host}`)?.host === host;
  const port = Number(digits);
  if (isUsual && port <= 65_535) return { host: host.replace(/^\[(.*)\]$/, "$1"), port };
  throw new WarrenError(
    "invalid_request",
    `"${address}" is not the address of a host, such as https://192.0.2.7:7443; https is a must, and so is the port`,
  );
}

/**
 * Checks where a team's own admins may say that a host is: at an IP address, so that no name leads elsewhere later, which is public
 * or in one of `networks`. Throws `invalid_request`.
 */
export function requireForeignPlace(place: HostPlace, networks: readonly string[]): void {
  const words = "the host of a team must be at https://IP:PORT, with a public address";
  if ("socketPath" in place || isIP(place.host) === 0)
    throw new WarrenError("invalid_request", `body/address: ${words}`);
  const address = ipaddr.process(place.host);
  if (address.range() === "unicast" || networks.some((network) => isIn(address, network))) return;
  throw new WarrenError("invalid_request", `body/address: ${words}, or one in a network of WARREN_HOST_NETWORKS`);
}

function isIn(address: ipaddr.IPv4 | ipaddr.IPv6, network: string): boolean {
  const [first, bits] = network.includes("/") ? ipaddr.parseCIDR(network) : [ipaddr.parse(network), undefined];
  if (first.kind() !== address.kind()) return false;
  return address.match(first as never, bits ?? (first.kind() === "ipv6" ? 128 : 32));
}
