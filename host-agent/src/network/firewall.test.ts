import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { isIPv4, isIPv6 } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AddressPlan, formatAddress, parseBlock } from "./addresses.ts";
import { GUEST_NETWORK, type Slot } from "./network.ts";
import { type Guest, type HostAgent, Machine, type Peer } from "./testing/machine.ts";
import { IPV4_REGISTRY, IPV6_REGISTRY } from "./testing/special-purpose.ts";

/** Address of the machine on the side of the internet, and of a server there: in a block that guests may reach. */
const UPLINK = "192.52.193.1";
const INTERNET = "192.52.193.10";
const PUBLIC_RESOLVER = "8.8.8.8";
const PRIVATE_RESOLVER = "10.99.0.53";
/** Addresses of the registry that no interface can have, or that are never sent. */
const NO_SERVER = ["0.0.0.0/32", "127.0.0.0/8", "255.255.255.255/32"];
/** Globally reachable blocks with public servers, see `FORBIDDEN_BLOCKS`. */
const PUBLIC_BLOCKS = ["192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24"];
/** The last but one address of every forbidden block that a server can have, or the only one. */
const FORBIDDEN = [
  "168.63.129.16",
  "169.254.169.254",
  ...IPV4_REGISTRY.filter(({ block }) => !NO_SERVER.includes(block) && !PUBLIC_BLOCKS.includes(block)).map(
    ({ block }) => lastButOne(block),
  ),
];
/** An IPv6 address of every block of the registry that a server can have. */
const FORBIDDEN_IPV6 = [
  ...new Set(
    IPV6_REGISTRY.filter(({ block }) => !["::1/128", "::/128", "::ffff:0:0/96", "fe80::/10"].includes(block)).map(
      ({ block }) => block.split("/")[0]!.replace(/::$/, "::77"),
    ),
  ),
];
const BLOCKED = "EHOSTUNREACH";

function lastButOne(block: string): string {
  const { first, prefixLength } = parseBlock(block);
  return formatAddress(first + Math.max(0, 2 ** (32 - prefixLength) - 2));
}

/**
 * Everything beyond the machine: a namespace with servers at name servers' addresses and at those of `others`, and to which
 * the machine's default routes lead.
 */
async function attachInternet(machine: Machine, others: string[] = []): Promise<Peer> {
  const addresses = [PUBLIC_RESOLVER, PRIVATE_RESOLVER, ...others.filter((address) => isIPv4(address))];
  const ipv6 = others.filter((address) => isIPv6(address));
  await machine.run(`
    ip netns add internet
    ip link add uplink type veth peer name eth0 netns internet
    ip addr add ${UPLINK}/24 dev uplink
    ip link set uplink up
    ip -n internet link set lo up
    ip -n internet -batch - <<'ADDRESSES'
${addresses.map((address) => `addr add ${address}/32 dev lo`).join("\n")}
${ipv6.map((address) => `addr add ${address}/128 dev lo nodad`).join("\n")}
ADDRESSES
    ip -n internet addr add ${INTERNET}/24 dev eth0
    ip -n internet link set eth0 up
    ip -n internet route add default via ${UPLINK}
    ip route add default via ${INTERNET}
    ip addr add fd77::1/64 dev uplink nodad
    ip -n internet addr add fd77::2/64 dev eth0 nodad
    ip -n internet route add default via fd77::1
    ip route add default via fd77::2`);
  const internet = await machine.peerIn("internet");
  for (const address of [INTERNET, ...addresses]) {
    for (const port of [53, 80]) {
      for (const protocol of ["tcp", "udp"] as const) await internet.serve(protocol, address, port);
    }
  }
  for (const address of ipv6) await internet.serve("udp", address, 80);
  return internet;
}

describe("the guests of a host", () => {
  let dataDirectory: string;
  let machine: Machine;
  let agent: HostAgent;
  let internet: Peer;
  let host: Peer;
  let slots: Slot[];
  let guest: Guest;
  let neighbour: Guest;

  beforeAll(async () => {
    dataDirectory = await mkdtemp(join(tmpdir(), "warren-firewall-"));
    machine = await Machine.start();
    internet = await attachInternet(machine, [...FORBIDDEN, ...FORBIDDEN_IPV6]);
    agent = await machine.hostAgent({ dataDirectory, spare: 0, dns: [PUBLIC_RESOLVER, PRIVATE_RESOLVER] });
    slots = await Promise.all([agent.acquire(), agent.acquire(), agent.acquire()]);
    guest = await machine.guest(slots[0]!);
    neighbour = await machine.guest(slots[1]!);
    host = machine.peer();
    for (const peer of [guest, neighbour]) {
      await peer.serve("tcp", "0.0.0.0", 5000);
      await peer.serve("udp", "0.0.0.0", 5000);
    }
    await host.serve("tcp", "0.0.0.0", 8000);
    await host.serve("udp", "0.0.0.0", 8000);
  });

  afterAll(async () => {
    await machine?.stop();
    if (dataDirectory) await rm(dataDirectory, { recursive: true });
  });

  /** Returns when everything that a guest has sent before has arrived or is lost: packets do not overtake on this path. */
  async function settle(peer: Guest): Promise<void> {
    expect(await peer.ask("udp", INTERNET, 80)).toBe(UPLINK);
  }

  it.each(["tcp", "udp"] as const)("reach the internet by %s with the address of the host", async (protocol) => {
    expect(await guest.ask(protocol, INTERNET, 80)).toBe(UPLINK);
  });

  it.each(["tcp", "udp"] as const)(
    "are reached by the host by %s, and see it at their gateway's address",
    async (protocol) => {
      for (const slot of slots.slice(0, 2))
        expect(await host.ask(protocol, slot.hostIp, 5000)).toBe(GUEST_NETWORK.gateway);
    },
  );

  it.each([PUBLIC_RESOLVER, PRIVATE_RESOLVER])("may ask the name server %s", async (resolver) => {
    expect(await guest.ask("udp", resolver, 53)).toBe(UPLINK);
    expect(await guest.ask("tcp", resolver, 53)).toBe(UPLINK);
  });

  it("reach nothing but name service at a private name server", async () => {
    expect(await host.ask("tcp", PRIVATE_RESOLVER, 80)).toBe(UPLINK);
    expect(await guest.ask("tcp", PRIVATE_RESOLVER, 80)).toBe(BLOCKED);
    expect(await guest.ask("udp", PRIVATE_RESOLVER, 80)).toBe(BLOCKED);
  });

  it.each(FORBIDDEN)("cannot reach %s, which the host can", async (address) => {
    expect(await host.ask("tcp", address, 80)).toBe(UPLINK);
    expect(await guest.ask("tcp", address, 80)).toBe(BLOCKED);
    expect(await guest.ask("udp", address, 80)).toBe(BLOCKED);
    expect(await guest.ask("udp", address, 53)).toBe(BLOCKED);
  });

  it("cannot reach anything by IPv6, which the host can", async () => {
    // What a guest that has taken over its kernel can do: an address, a route and a neighbour of its own.
    await guest.run(`
      echo 0 >/proc/sys/net/ipv6/conf/all/disable_ipv6
      echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
      ip addr add fd77:1::2/64 dev eth0 nodad
      ip neigh add fd77:1::1 lladdr ${GUEST_NETWORK.gatewayMac} dev eth0
      ip route add default via fd77:1::1`);
    // Nor does it depend on IPv6 being off in the slot and on the host.
    await machine.run(`
      mac=$(ip -o link show warren-v${slots[0]!.number} | sed 's/.*ether \\([^ ]*\\).*/\\1/')
      echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
      ip netns exec warren-ns-${slots[0]!.number} sh -ec '
        for name in all tap0 eth0; do echo 0 >/proc/sys/net/ipv6/conf/$name/disable_ipv6; done
        echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
        ip addr add fd77:1::1/64 dev tap0 nodad
        ip addr add fd77:2::2/64 dev eth0 nodad
        ip neigh add fd77:2::1 lladdr '$mac' dev eth0
        ip route add default via fd77:2::1'
      ip addr add fd77:2::1/64 dev warren-v${slots[0]!.number} nodad
      ip route add fd77:1::/64 via fd77:2::2`);
    for (const address of FORBIDDEN_IPV6) expect(await host.ask("udp", address, 80)).toBe("fd77::1");
    const before = await internet.callers();
    for (const address of FORBIDDEN_IPV6) await guest.attempt("udp", address, 80);
    await settle(guest);
    expect(await internet.callers()).toEqual([...before, `udp ${UPLINK} → ${INTERNET}:80`]);
  });

  it("cannot reach the host at any of its addresses", async () => {
    const { vethIp, peerIp, hostIp } = new AddressPlan().slot(slots[0]!.number);
    const before = await host.callers();
    for (const address of [UPLINK, vethIp, peerIp, hostIp, GUEST_NETWORK.gateway]) {
      for (const protocol of ["tcp", "udp"] as const) await guest.attempt(protocol, address, 8000);
    }
    await settle(guest);
    expect(await host.callers()).toEqual(before);
    expect(await host.ask("tcp", UPLINK, 8000)).toBe(UPLINK);
  });

  it("cannot reach each other", async () => {
    const { hostIp, peerIp, vethIp } = new AddressPlan().slot(slots[1]!.number);
    const before = await neighbour.callers();
    for (const address of [hostIp, peerIp, vethIp]) {
      for (const protocol of ["tcp", "udp"] as const) expect(await guest.ask(protocol, address, 5000)).toBe(BLOCKED);
    }
    expect(await neighbour.callers()).toEqual(before);
  });

  it("are not reached from beyond the host", async () => {
    const { hostIp, peerIp } = new AddressPlan().slot(slots[0]!.number);
    const before = await guest.callers();
    for (const address of [hostIp, peerIp, GUEST_NETWORK.address]) {
      for (const protocol of ["tcp", "udp"] as const) await internet.attempt(protocol, address, 5000);
    }
    expect(await internet.ask("udp", UPLINK, 8000)).toBe(INTERNET);
    expect(await host.ask("udp", hostIp, 5000)).toBe(GUEST_NETWORK.gateway);
    expect(await guest.callers()).toEqual([...before, `udp ${GUEST_NETWORK.gateway} → 0.0.0.0:5000`]);
  });

  it("cannot send from an address that is not theirs", async () => {
    const { peerIp } = new AddressPlan().slot(slots[1]!.number);
    const before = await internet.callers();
    for (const address of ["192.52.193.77", peerIp, slots[1]!.hostIp]) {
      await guest.run(`ip addr add ${address}/32 dev eth0`);
      for (const protocol of ["tcp", "udp"] as const) await guest.attempt(protocol, INTERNET, 80, address);
    }
    await settle(guest);
    expect(await internet.callers()).toEqual([...before, `udp ${UPLINK} → ${INTERNET}:80`]);
  });

  it("cannot send from a network card that is not theirs", async () => {
    const before = await internet.callers();
    await guest.run("ip link set eth0 address 02:fc:00:00:00:06");
    await guest.attempt("udp", INTERNET, 80);
    await guest.run(`ip link set eth0 address ${GUEST_NETWORK.mac}`);
    await settle(guest);
    expect(await internet.callers()).toEqual([...before, `udp ${UPLINK} → ${INTERNET}:80`]);
  });

  it("leave nothing in the table of neighbours, which the host has one of for all namespaces", async () => {
    const { number } = slots[0]!;
    const neighbours = () => machine.run(`ip -n warren-ns-${number} neigh show dev tap0`);
    const before = await neighbours();
    for (const address of ["192.52.193.78", "10.77.0.1", "10.77.0.2"]) {
      await guest.run(`ip addr add ${address}/32 dev eth0; ip neigh flush dev eth0`);
      // It asks for the hardware address of its gateway, and says that its own address is this one.
      await guest.attempt("udp", INTERNET, 80, address);
    }
    await guest.run("ip neigh flush dev eth0");
    await settle(guest);
    expect(await neighbours()).toBe(before);
  });

  it("are kept from the host, its networks and each other by the host even where the rules of their slot fail", async () => {
    const exposed = await machine.guest(slots[2]!);
    const namespace = `warren-ns-${slots[2]!.number}`;
    await machine.run(`ip netns exec ${namespace} nft flush set inet sandbox forbidden`);
    const before = [...(await host.callers()), ...(await neighbour.callers()), ...(await internet.callers())];
    for (const protocol of ["tcp", "udp"] as const) {
      for (const address of FORBIDDEN) await exposed.attempt(protocol, address, 80);
      for (const address of [UPLINK, new AddressPlan().slot(slots[2]!.number).vethIp]) {
        await exposed.attempt(protocol, address, 8000);
      }
      await exposed.attempt(protocol, slots[1]!.hostIp, 5000);
    }
    // What the namespace itself sends, as a broken VMM could, with an address that is not the slot's.
    await machine.run(`
      ip netns exec ${namespace} nft flush chain inet sandbox to_slot_address
      ip netns exec ${namespace} nft 'chain inet sandbox output { policy accept; }'
      ip -n ${namespace} addr add 192.52.193.88/32 dev eth0`);
    const vmm = await machine.peerIn(namespace);
    await vmm.attempt("udp", INTERNET, 80, "192.52.193.88");
    await machine.run(
      `ip netns exec ${namespace} nft add rule inet sandbox to_slot_address oifname eth0 ip saddr ${GUEST_NETWORK.address} masquerade`,
    );
    await settle(exposed);
    const after = [...(await host.callers()), ...(await neighbour.callers()), ...(await internet.callers())];
    expect(after).toEqual([...before, `udp ${UPLINK} → ${INTERNET}:80`]);
  });

  it("have a VMM that can send nothing itself", async () => {
    const vmm = await machine.peerIn(`warren-ns-${slots[0]!.number}`);
    expect(await vmm.ask("udp", INTERNET, 80)).toBe("EPERM");
    expect(await vmm.ask("udp", GUEST_NETWORK.address, 5000)).toBe("EPERM");
  });

  it("are reached by no user of the host but root, at any port", async () => {
    await guest.serve("tcp", "0.0.0.0", GUEST_NETWORK.agentPort);
    const { peerIp } = new AddressPlan().slot(slots[0]!.number);
    const before = await guest.callers();
    const nobody = machine.peer();
    await nobody.becomeUser(65_534);
    for (const port of [5000, GUEST_NETWORK.agentPort]) {
      for (const address of [slots[0]!.hostIp, peerIp]) expect(await nobody.ask("tcp", address, port)).toBe(BLOCKED);
      expect(await nobody.ask("udp", slots[0]!.hostIp, port)).toBe("EPERM");
      expect(await guest.callers()).toEqual(before);
      expect(await host.ask("tcp", slots[0]!.hostIp, port)).toBe(GUEST_NETWORK.gateway);
      before.push(`tcp ${GUEST_NETWORK.gateway} → 0.0.0.0:${port}`);
    }
    expect(await nobody.ask("tcp", INTERNET, 80)).toBe(UPLINK);
  });

  it("cannot fill the host's table of connections", async () => {
    for (let sent = 0; sent < 4500; sent += 100) {
      await neighbour.scan(INTERNET, 10_000 + sent, 100);
      // The answer leaves the guest after the datagrams, and no queue on the way overflows.
      expect(await host.ask("udp", slots[1]!.hostIp, 5000)).toBe(GUEST_NETWORK.gateway);
    }
    expect(Number(await machine.run("cat /proc/sys/net/netfilter/nf_conntrack_count"))).toBeLessThan(4300);
    expect(await neighbour.ask("udp", INTERNET, 80)).toBe(BLOCKED);
    expect(await guest.ask("udp", INTERNET, 80)).toBe(UPLINK);
  });
});

describe("the host's table of connections", () => {
  const TABLE = "/proc/sys/net/netfilter/nf_conntrack_max";

  it.each([
    [70_000, 65_536 + 3 * 4096],
    [200_000, 200_000],
    [0, 0],
  ])("of %d grows to %d for three slots, so that they leave the host's own connections room", async (before, after) => {
    const dataDirectory = await mkdtemp(join(tmpdir(), "warren-table-"));
    const machine = await Machine.start();
    try {
      // The kernel lets its first network namespace alone set the size.
      await machine.run(`echo ${before} >/run/table; mount --bind /run/table ${TABLE}`);
      const agent = await machine.hostAgent({ dataDirectory, spare: 0 });
      for (let count = 0; count < 3; count++) await agent.acquire();
      expect(Number(await machine.run("cat /run/table"))).toBe(after);
    } finally {
      await machine.stop();
      await rm(dataDirectory, { recursive: true, force: true });
    }
  });
});

describe("a slot", () => {
  /** Room for one slot, so that the next guest has the addresses of the former one. */
  const networks = { guests: "10.21.0.0/30", links: "10.22.0.0/30" };
  let dataDirectory: string;
  let machine: Machine;
  let internet: Peer;
  let host: Peer;

  beforeEach(async () => {
    dataDirectory = await mkdtemp(join(tmpdir(), "warren-firewall-"));
    machine = await Machine.start();
    internet = await attachInternet(machine);
    host = machine.peer();
  });

  afterEach(async () => {
    await machine.stop();
    await rm(dataDirectory, { recursive: true });
  });

  it("shows its next guest nothing that was meant for the former", async () => {
    const agent = await machine.hostAgent({ dataDirectory, networks, spare: 0 });
    const slot = await agent.acquire();
    const former = await machine.guest(slot);
    await former.serve("tcp", "0.0.0.0", 5000);
    await host.connect(slot.hostIp, 5000);
    await former.connect(INTERNET, 80);
    expect(await host.write("hello")).toBe("hello");
    expect(await former.write("hello")).toBe("hello");
    expect(await connectionsOfHost()).toBe(2);
    await former.unplug();
    await agent.release(slot);
    // An entry is counted for as long as a packet under way holds on to it; left alone, it would last five days.
    await expect.poll(connectionsOfHost, { timeout: 30_000 }).toBe(0);

    expect(await agent.acquire()).toEqual(slot);
    const next = await machine.guest(slot);
    await next.serve("udp", "0.0.0.0", 5001);
    await host.send("for the former guest");
    expect(await host.ask("udp", slot.hostIp, 5001)).toBe(GUEST_NETWORK.gateway);
    expect(await next.arrived()).toEqual(["udp 5001"]);
  });

  it("leaves nothing in the host's table of connections though somebody goes on sending to its guest", async () => {
    const agent = await machine.hostAgent({ dataDirectory, networks, spare: 0 });
    const slot = await agent.acquire();
    const end = join(dataDirectory, "end");
    const send = `exec 3<>/dev/udp/${slot.hostIp}/5000; while [ ! -e ${end} ]; do echo hello >&3; read -t 0.001; done`;
    const sending = machine.run(`bash -c '${send}' 2>/dev/null || :`);
    await expect.poll(connectionsOfHost, { timeout: 30_000 }).toBe(1);
    await agent.release(slot);
    await writeFile(end, "");
    await sending;
    // One that was begun anew would last for 30 s from its last packet on.
    await expect.poll(connectionsOfHost, { timeout: 10_000 }).toBe(0);
  });

  it("ends the connections that a guest brings from another slot", async () => {
    const agent = await machine.hostAgent({ dataDirectory, spare: 0 });
    const [former, next] = await Promise.all([agent.acquire(), agent.acquire()]);
    const guest = await machine.guest(former);
    await guest.connect(INTERNET, 80);
    expect(await guest.write("hello")).toBe("hello");
    await guest.plug(next);
    // Nobody else can answer.
    await machine.run("ip -n internet link set eth0 down");
    expect(await guest.write("hello again")).toBe("ECONNRESET");
    await machine.run("ip -n internet link set eth0 up");
    expect(await guest.ask("tcp", INTERNET, 80)).toBe(UPLINK);
  });

  it("that is gone cannot be reached by way of the default route", async () => {
    const agent = await machine.hostAgent({ dataDirectory, spare: 1 });
    const slot = await agent.acquire();
    await internet.run(`ip addr add ${slot.hostIp}/32 dev lo`);
    await internet.serve("tcp", slot.hostIp, 5000);
    await agent.release(slot);
    expect(await host.ask("tcp", slot.hostIp, 5000)).toBe(BLOCKED);
    await agent.close();
    expect(await host.ask("tcp", slot.hostIp, 5000)).toBe(UPLINK);
  });

  it("lets its guest ask a name server on the host itself, and nothing else there", async () => {
    // As a user of its own, like any name server; what it answers is no connection to the guest.
    await machine.run("echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start");
    await host.becomeUser(65_534);
    for (const port of [53, 8000]) {
      for (const protocol of ["tcp", "udp"] as const) await host.serve(protocol, UPLINK, port);
    }
    const agent = await machine.hostAgent({ dataDirectory, spare: 0, dns: [UPLINK] });
    const guest = await machine.guest(await agent.acquire());
    expect(await guest.ask("udp", UPLINK, 53)).toMatch(/^10\.12\./);
    expect(await guest.ask("tcp", UPLINK, 53)).toMatch(/^10\.12\./);
    for (const protocol of ["tcp", "udp"] as const) await guest.attempt(protocol, UPLINK, 8000);
    expect(await guest.ask("udp", INTERNET, 80)).toBe(UPLINK);
    expect((await host.callers()).filter((caller) => caller.endsWith("8000"))).toEqual([]);
  });

  it("has internet on hosts whose iptables forward nothing by default", async ({ skip }) => {
    skip(!existsSync("/usr/sbin/iptables"), "this machine has no iptables");
    await machine.run("iptables -P FORWARD DROP");
    const before = await machine.run("iptables -S");
    const agents = [];
    for (let i = 0; i < 2; i++) agents.push(await machine.hostAgent({ dataDirectory, spare: 0 }));
    const guest = await machine.guest(await agents[0]!.acquire());
    expect(await guest.ask("tcp", INTERNET, 80)).toBe(UPLINK);
    expect(await guest.ask("tcp", FORBIDDEN[0]!, 80)).toBe(BLOCKED);
    expect((await machine.run("iptables -S FORWARD")).match(/warren/g)?.length).toBe(4);

    await agents[0]!.kill();
    await agents[1]!.sweep([]);
    await agents[1]!.close();
    expect(await machine.run("iptables -S")).toBe(before);
  });

  async function connectionsOfHost(): Promise<number> {
    return Number(await machine.run("cat /proc/sys/net/netfilter/nf_conntrack_count"));
  }
});
