import { isIPv4, isIPv6 } from "node:net";

/**
 * The network that stands for one client: an IPv4 address, or the first 64 bits of an IPv6 address, of which one
 * subscriber has at least that much (RFC 6177). Whoever is on this machine has all addresses of its loopback network.
 */
export function networkOf(address: string): string {
  // What nearly all are, and what costs nothing to see.
  if (isIPv4(address)) return address.startsWith("127.") ? "127.0.0.0/8" : address;
  // Some proxies name the client's port as well, which is another one for each connection.
  const [, ...others] =
    /^(?:::ffff:(\d+\.\d+\.\d+\.\d+)|(\d+\.\d+\.\d+\.\d+):\d+|\[([^\]]+)\](?::\d+)?)$/i.exec(address) ?? [];
  const bare = others.find((part) => part !== undefined);
  if (bare !== undefined) return networkOf(bare);
  const [withoutZone = ""] = address.split("%", 1);
  if (!isIPv6(withoutZone)) return address;
  return `${expand(withoutZone).slice(0, 4).join(":")}::/64`;
}

/** The eight groups of an IPv6 address, without leading zeros; an embedded IPv4 address fills the last ones. */
function expand(address: string): string[] {
  const [head = "", tail] = address.toLowerCase().split("::");
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = new Array<string>(Math.max(0, 8 - before.length - after.length)).fill("0");
  return [...before, ...zeros, ...after].map((group) => group.replace(/^0+(?=.)/, ""));
}

function groups(text: string): string[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => (group.includes(".") ? ["0", "0"] : [group]));
}
