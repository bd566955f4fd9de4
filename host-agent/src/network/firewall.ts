import { FORBIDDEN_BLOCKS, type SlotAddresses, type SlotNetworks, VETH_PREFIX } from "./addresses.ts";
import { CONNECTION_LIMIT } from "./connection-table.ts";
import { GUEST_NETWORK } from "./network.ts";

/**
 * Rules of the host, for all slots of all host agents of the machine. Applying them again changes nothing, and is atomic.
 * They hold whatever happens inside the namespaces; the finer rules of each guest are those of `sandboxRules`.
 * Base chains of other programs are evaluated as well: an accept here does not overrule a drop there (nft(8)).
 */
export function hostRules(networks: SlotNetworks, resolvers: readonly string[]): string {
  return `
add table inet warren
flush table inet warren
table inet warren {
  # Union of what the host agents of this machine have configured.
  set resolvers { type ipv4_addr; }
  set slots { type ipv4_addr; flags interval; auto-merge; }
  set forbidden { type ipv4_addr; flags interval; elements = { ${FORBIDDEN_BLOCKS.join(", ")} }; }

  chain prerouting {
    type filter hook prerouting priority raw; policy accept;
    iifname "${VETH_PREFIX}*" meta nfproto != ipv4 drop
    # The route back to the source must lead over the interface that the packet came from.
    iifname "${VETH_PREFIX}*" fib saddr . iif oif missing drop
  }

  chain input {
    type filter hook input priority filter; policy accept;
    iifname "${VETH_PREFIX}*" jump from_guest_to_host
  }

  chain from_guest_to_host {
    ct state established,related accept
    ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 accept
    drop
  }

  chain forward {
    type filter hook forward priority filter; policy accept;
    oifname "${VETH_PREFIX}*" jump to_guest
    iifname "${VETH_PREFIX}*" jump from_guest
  }

  chain to_guest {
    iifname "${VETH_PREFIX}*" drop
    ct state established,related accept
    drop
  }

  chain from_guest {
    ct state invalid drop
    ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 accept
    ip daddr @forbidden drop
    accept
  }

  chain output {
    type filter hook output priority filter; policy accept;
    # The address of a slot that is gone has no route of its own, and must not leave by the default route.
    ip daddr @slots oifname != "lo" oifname != "${VETH_PREFIX}*" reject with icmp host-unreachable
    oifname "${VETH_PREFIX}*" jump to_guest_from_host
  }

  chain to_guest_from_host {
    meta nfproto != ipv4 drop
    # A server of another user, such as a name server, may answer a guest; only root's processes may speak first.
    ct direction original meta skuid != 0 reject with icmp admin-prohibited
  }

  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    # Reading the input interface here takes Linux 5.7.
    iifname "${VETH_PREFIX}*" oifname != "${VETH_PREFIX}*" masquerade
  }
}
add element inet warren slots { ${networks.guests}, ${networks.links} }
${resolvers.length > 0 ? `add element inet warren resolvers { ${resolvers.join(", ")} }` : ""}
`;
}

/** Removes the rules of the host, whether they are there or not. */
export const NO_HOST_RULES = "add table inet warren\ndelete table inet warren\n";

/**
 * Rules of a slot's namespace. What a guest may reach is decided by the sets `resolvers` and `forbidden` alone.
 * Nothing that runs in the namespace itself, such as the VMM, may send or receive.
 */
export function sandboxRules(slot: SlotAddresses, resolvers: readonly string[]): string {
  const { address, gateway, mac } = GUEST_NETWORK;
  return `
table inet sandbox {
  set resolvers { type ipv4_addr; ${resolvers.length > 0 ? `elements = { ${resolvers.join(", ")} };` : ""} }
  set forbidden { type ipv4_addr; flags interval; elements = { ${FORBIDDEN_BLOCKS.join(", ")} }; }

  chain ingress {
    type filter hook prerouting priority raw; policy accept;
    meta nfproto != ipv4 drop
    iifname "tap0" ether saddr != ${mac} drop
    iifname "tap0" ip saddr != ${address} drop
  }

  chain to_guest_address {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "eth0" ip daddr ${slot.hostIp} dnat ip to ${address}
  }

  chain to_slot_address {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "eth0" snat ip to ${slot.peerIp}
    # The guest sees the host at the same address in every slot.
    oifname "tap0" snat ip to ${gateway}
  }

  chain input { type filter hook input priority filter; policy drop; }

  chain output {
    type filter hook output priority filter; policy drop;
    # Refusals of the rules below.
    oifname "tap0" icmp type { destination-unreachable, time-exceeded } accept
    oifname "tap0" tcp flags & rst == rst accept
  }

  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state invalid drop
    ct state established,related accept
    iifname "eth0" oifname "tap0" ct status dnat jump to_guest
    iifname "tap0" oifname "eth0" jump from_guest
  }

  chain to_guest {
    # The middle of a connection that this guest has never had: meant for the former user of the slot.
    tcp flags & (fin | syn | rst | ack) != syn drop
    accept
  }

  chain from_guest {
    # The middle of a connection from before the guest was restored.
    tcp flags & (fin | syn | rst | ack) != syn reject with tcp reset
    ct count over ${CONNECTION_LIMIT} reject with icmp admin-prohibited
    ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 accept
    ip daddr @forbidden reject with icmp admin-prohibited
    accept
  }
}
`;
}
