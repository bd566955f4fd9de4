import { needProgram } from "../linux/programs.ts";
import { NAMESPACE_PREFIX, type SlotAddresses, type SlotNetworks, VETH_PREFIX } from "./addresses.ts";
import { OWNERS_DIRECTORY, RUN_DIRECTORY, SLOTS_DIRECTORY } from "./claims.ts";
import { CONNECTION_LIMIT, CONNECTION_TABLE, HOST_CONNECTIONS } from "./connection-table.ts";
import { hostRules, NO_HOST_RULES, sandboxRules } from "./firewall.ts";
import { GUEST_NETWORK } from "./network.ts";

// Everything is done by shell scripts that make or remove many slots each: a host agent with a large heap takes over
// 10 ms to fork, a shell takes 1 ms, and `ip` and `nft` take a batch of commands.

/** Milliseconds for a script: a minute of waiting for the lock, and the work of a batch of slots on an overloaded host. */
const SCRIPT_LIMIT_MS = 300_000;

/** Interface group, valid under the lock only, by which one command removes many interfaces at the cost of one. */
const REMOVAL_GROUP = 0x77617272;

/**
 * One script at a time on the machine. The commands of a script inherit the lock, so that it lasts until the last of them
 * has ended, even when the host agent was killed in the middle: whoever has the lock sees nothing change behind its back.
 */
const LOCK = `
exec 9>>${RUN_DIRECTORY}/lock
flock -w 60 9 || { echo 'another program has held ${RUN_DIRECTORY}/lock for a minute' >&2; exit 1; }
`;

/** Accepts what the host's own rules let through, in both directions, where iptables drops by default what is forwarded. */
const FORWARD_RULES = ["-i", "-o"].map(
  (side) => `FORWARD ${side} ${VETH_PREFIX}+ -m comment --comment warren -j ACCEPT`,
);

/**
 * Gives the host's table of connections room for what all slots may have and for the host's own: once it is full, nobody
 * gets a new one. 0 = without bound. Only the first network namespace of a machine may set it, and `doctor` says where not.
 */
const GROW_TABLE = `
size=$(cat ${CONNECTION_TABLE} 2>/dev/null || echo 0)
needed=$(( $(ls ${SLOTS_DIRECTORY} | wc -l) * ${CONNECTION_LIMIT} + ${HOST_CONNECTIONS} ))
if [ $size -gt 0 ] && [ $size -lt $needed ]; then
  { echo $needed >${CONNECTION_TABLE}; } 2>/dev/null || :
fi
`;

/**
 * Makes the host forward and guard packets of slots, and prints what the operator should know. Applying it again changes
 * nothing. Forwarding stays on afterwards: whether another program has come to need it meanwhile cannot be known.
 */
export function prepareHostScript(networks: SlotNetworks, resolvers: readonly string[]): string {
  return `${LOCK}
if [ "$(cat /proc/sys/net/ipv4/ip_forward)" = 0 ]; then
  echo 1 >/proc/sys/net/ipv4/ip_forward
  echo 'IPv4 forwarding of this host was off; it is on from here on'
fi
nft -f - <<'RULES'
${hostRules(networks, resolvers)}
RULES
${GROW_TABLE}
# Docker and ufw set this policy.
if command -v iptables >/dev/null && iptables -w -S FORWARD | grep -q '^-P FORWARD DROP'; then
${FORWARD_RULES.map((rule) => `  iptables -w -C ${rule} 2>/dev/null || iptables -w -I ${rule}`).join("\n")}
fi
`;
}

/** Makes slots whose numbers are claimed. When it fails, parts of any of them may exist. */
export function buildScript(
  slots: readonly SlotAddresses[],
  networks: SlotNetworks,
  resolvers: readonly string[],
): string {
  return `${prepareHostScript(networks, resolvers)}
ip -batch - <<'LINKS'
${slots.map(({ namespace }) => `netns add ${namespace}`).join("\n")}
${slots.map(hostLinks).join("\n")}
LINKS
${slots.map((slot) => enterNamespace(slot, resolvers)).join("\n")}
`;
}

function hostLinks({ namespace, veth, hostIp, vethIp, peerIp }: SlotAddresses): string {
  return `link add ${veth} type veth peer name eth0 netns ${namespace}
link set ${veth} addrgenmode none
addr add ${vethIp}/31 dev ${veth}
link set ${veth} up
route add ${hostIp}/32 via ${peerIp} dev ${veth}`;
}

function enterNamespace(slot: SlotAddresses, resolvers: readonly string[]): string {
  const { address, mac, gateway, gatewayMac, prefixLength } = GUEST_NETWORK;
  return `
nsenter --net=/run/netns/${slot.namespace} sh -e <<'NAMESPACE'
for interfaces in all default; do
  # The file is missing where the kernel has no IPv6.
  [ ! -e /proc/sys/net/ipv6/conf/$interfaces/disable_ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/$interfaces/disable_ipv6
done
nft -f - <<'RULES'
${sandboxRules(slot, resolvers)}
RULES
ip -batch - <<'LINKS'
link set lo up
tuntap add tap0 mode tap
link set tap0 address ${gatewayMac}
addr add ${gateway}/${prefixLength} dev tap0
link set tap0 up
neigh add ${address} lladdr ${mac} dev tap0 nud permanent
addr add ${slot.peerIp}/31 dev eth0
link set eth0 up
route add default via ${slot.vethIp}
LINKS
# The kernel notes who asks for a hardware address in a table that all namespaces of the machine share: without a check, a
# guest fills it by asking in the name of others. The larger one of the two values holds.
echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
echo 1 >/proc/sys/net/ipv4/conf/tap0/rp_filter
# Refusals go to the guest only, which shall not wait for them (icmp(7)).
echo 0 >/proc/sys/net/ipv4/icmp_ratemask
echo 1 >/proc/sys/net/ipv4/ip_forward
NAMESPACE`;
}

/** A slot to be removed if the owner with this inode still holds it. */
export interface Removal {
  slot: SlotAddresses;
  inode: number;
}

/** Has the numbers of those slots in `held` that their owners still hold. */
function holding(removals: readonly Removal[]): string {
  return `${LOCK}
held=
while read -r number inode; do
  [ "$(stat -c %i ${SLOTS_DIRECTORY}/$number 2>/dev/null)" = $inode ] || continue
  held="$held $number"
done <<'REMOVALS'
${removals.map(({ slot, inode }) => `${slot.number} ${inode}`).join("\n")}
REMOVALS`;
}

/** Removes slots, whatever parts of them exist: the interfaces and with them the routes, then the namespaces. They stay claimed. */
export function unlinkScript(removals: readonly Removal[]): string {
  return `${holding(removals)}
{
  for number in $held; do echo link set dev ${VETH_PREFIX}$number group ${REMOVAL_GROUP}; done
  echo link del group ${REMOVAL_GROUP}
  for number in $held; do echo netns del ${NAMESPACE_PREFIX}$number; done
} | ip -force -batch - || : # Parts that never came into being are reported as errors; what is left is looked for at the release.
`;
}

/** Gives up the claims of slots of which nothing is left. */
export function releaseScript(removals: readonly Removal[]): string {
  return `${holding(removals)}
for number in $held; do
  [ -e /run/netns/${NAMESPACE_PREFIX}$number ] || [ -e /proc/sys/net/ipv4/conf/${VETH_PREFIX}$number ] ||
    rm -f ${SLOTS_DIRECTORY}/$number
done
`;
}

/** Removes the rules of the host if no pool is open and no slot is left. */
export const RETIRE_SCRIPT = `${LOCK}
if [ -z "$(ls -A ${OWNERS_DIRECTORY})" ] && [ -z "$(ls -A ${SLOTS_DIRECTORY})" ]; then
  nft -f - <<'RULES'
${NO_HOST_RULES}
RULES
  if command -v iptables >/dev/null; then
${FORWARD_RULES.map((rule) => `    while iptables -w -C ${rule} 2>/dev/null; do iptables -w -D ${rule}; done`).join("\n")}
  fi
fi
`;

/** Runs a shell script, stops at the first command that fails, and returns what it has printed. */
export async function runScript(what: string, script: string): Promise<{ stdout: string; stderr: string }> {
  return needProgram(what, "sh", ["-ec", script], { limitMs: SCRIPT_LIMIT_MS });
}
