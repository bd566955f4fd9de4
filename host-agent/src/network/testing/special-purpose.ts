/** A block of one of IANA's registries of special-purpose addresses (RFC 6890). */
export interface SpecialPurposeBlock {
  block: string;
  name: string;
  /** The registry's column "Globally Reachable". */
  global: boolean;
}

const entry = ([block, name, reach]: readonly [string, string, string?]): SpecialPurposeBlock => ({
  block,
  name,
  global: reach === "global",
});

/** IANA IPv4 Special-Purpose Address Registry, whole, as of its update of 2025. */
export const IPV4_REGISTRY: readonly SpecialPurposeBlock[] = (
  [
    ["0.0.0.0/8", "this network"],
    ["0.0.0.0/32", "this host on this network"],
    ["10.0.0.0/8", "private use"],
    ["100.64.0.0/10", "shared address space"],
    ["127.0.0.0/8", "loopback"],
    ["169.254.0.0/16", "link local"],
    ["172.16.0.0/12", "private use"],
    ["192.0.0.0/24", "IETF protocol assignments"],
    ["192.0.0.0/29", "IPv4 service continuity prefix"],
    ["192.0.0.8/32", "IPv4 dummy address"],
    ["192.0.0.9/32", "port control protocol anycast", "global"],
    ["192.0.0.10/32", "traversal using relays around NAT anycast", "global"],
    ["192.0.0.170/32", "NAT64/DNS64 discovery"],
    ["192.0.0.171/32", "NAT64/DNS64 discovery"],
    ["192.0.2.0/24", "documentation (TEST-NET-1)"],
    ["192.31.196.0/24", "AS112-v4", "global"],
    ["192.52.193.0/24", "automatic multicast tunneling", "global"],
    ["192.88.99.0/24", "deprecated (6to4 relay anycast)"],
    ["192.88.99.2/32", "6a44 relay anycast"],
    ["192.168.0.0/16", "private use"],
    ["192.175.48.0/24", "direct delegation AS112 service", "global"],
    ["198.18.0.0/15", "benchmarking"],
    ["198.51.100.0/24", "documentation (TEST-NET-2)"],
    ["203.0.113.0/24", "documentation (TEST-NET-3)"],
    ["240.0.0.0/4", "reserved"],
    ["255.255.255.255/32", "limited broadcast"],
  ] as const
).map(entry);

/** IANA IPv6 Special-Purpose Address Registry, whole, as of its update of 2025. */
export const IPV6_REGISTRY: readonly SpecialPurposeBlock[] = (
  [
    ["::1/128", "loopback"],
    ["::/128", "unspecified address"],
    ["::ffff:0:0/96", "IPv4-mapped address"],
    ["64:ff9b::/96", "IPv4-IPv6 translation", "global"],
    ["64:ff9b:1::/48", "IPv4-IPv6 translation"],
    ["100::/64", "discard-only"],
    ["100:0:0:1::/64", "dummy IPv6 prefix"],
    ["2001::/23", "IETF protocol assignments"],
    ["2001::/32", "TEREDO"],
    ["2001:1::1/128", "port control protocol anycast", "global"],
    ["2001:1::2/128", "traversal using relays around NAT anycast", "global"],
    ["2001:1::3/128", "DNS-SD service registration protocol anycast", "global"],
    ["2001:2::/48", "benchmarking"],
    ["2001:3::/32", "automatic multicast tunneling", "global"],
    ["2001:4:112::/48", "AS112-v6", "global"],
    ["2001:10::/28", "deprecated (ORCHID)"],
    ["2001:20::/28", "ORCHIDv2", "global"],
    ["2001:30::/28", "drone remote ID protocol entity tags", "global"],
    ["2001:db8::/32", "documentation"],
    ["2002::/16", "6to4"],
    ["2620:4f:8000::/48", "direct delegation AS112 service", "global"],
    ["3fff::/20", "documentation"],
    ["5f00::/16", "segment routing identifiers"],
    ["fc00::/7", "unique local"],
    ["fe80::/10", "link-local unicast"],
  ] as const
).map(entry);
