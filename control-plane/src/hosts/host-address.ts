import { isIP } from "node:net";
import { WarrenError } from "@warren/contracts/errors";
import { AddressPolicy } from "../addresses/address-policy.ts";

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
  if (new AddressPolicy(networks).allows(place.host)) return;
  throw new WarrenError("invalid_request", `body/address: ${words}, or one in a network of WARREN_HOST_NETWORKS`);
}
