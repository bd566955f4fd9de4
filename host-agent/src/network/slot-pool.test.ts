import { once } from "node:events";
import { watch } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SlotNetworks } from "./addresses.ts";
import type { Slot } from "./network.ts";
import { type HostAgent, Machine } from "./testing/machine.ts";

let machine: Machine;
let directories: string[];

beforeEach(async () => {
  directories = [];
  machine = await Machine.start();
});

afterEach(async () => {
  await machine.stop();
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
});

async function newDataDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "warren-pool-"));
  directories.push(directory);
  return directory;
}

/** Host agents of two data directories, which make nothing ahead of need. */
async function twoHostAgents(options: { networks?: SlotNetworks } = {}): Promise<[HostAgent, HostAgent]> {
  const open = async () => machine.hostAgent({ dataDirectory: await newDataDirectory(), spare: 0, ...options });
  return [await open(), await open()];
}

/** Everything of slots that exists on the machine, rules included, without the files of pools that are open. */
async function remains(): Promise<string[]> {
  const script = `
    ip -o link show | grep -o 'warren-v[0-9]*' || :
    ip route show table all | grep warren-v || :
    ls /run/netns 2>/dev/null || :
    nft list tables
    ls /run/warren/slots`;
  return (await machine.run(script)).split("\n").filter((line) => line !== "");
}

const RULES = "table inet warren";

async function acquireMany(agent: HostAgent, count: number): Promise<Slot[]> {
  return Promise.all(Array.from({ length: count }, () => agent.acquire()));
}

function numbers(slots: readonly Slot[]): number[] {
  return slots.map(({ number }) => number).sort((one, other) => one - other);
}

describe("the slot pool", () => {
  it("never hands out a slot twice, whichever host agents of the machine ask at once", async () => {
    const agents = await Promise.all(
      [0, 1].map(async () => machine.hostAgent({ dataDirectory: await newDataDirectory() })),
    );
    const slots = (await Promise.all(agents.map((agent) => acquireMany(agent, 16)))).flat();
    expect(new Set(numbers(slots)).size).toBe(32);
    expect(new Set(slots.map(({ hostIp }) => hostIp)).size).toBe(32);
    for (const agent of agents) await agent.close();
  });

  it("leaves nothing behind when it is closed and its slots are released", async () => {
    const before = await machine.run(
      "ip -o link; ip route show table all; ip -6 route show table all; nft list ruleset",
    );
    const agent = await machine.hostAgent({ dataDirectory: await newDataDirectory(), spare: 3 });
    const slots = await acquireMany(agent, 3);
    await agent.release(slots[0]!);
    await Promise.all([agent.release(slots[1]!), agent.release(slots[1]!)]);
    await agent.release(slots[1]!);
    await agent.close();
    expect(await remains()).toContain(`warren-ns-${slots[2]!.number}`);
    await agent.release(slots[2]!);
    expect(await remains()).toEqual([]);
    expect(await machine.run("ip -o link; ip route show table all; ip -6 route show table all; nft list ruleset")).toBe(
      before,
    );
    expect(await machine.run("ls -A /run/warren/owners")).toBe("");
  });

  it("makes slots that are foreseen at once, and none in their place when they are taken", async () => {
    const namespaces = async () => (await machine.run("ls /run/netns")).split("\n").filter(Boolean);
    const agent = await machine.hostAgent({ dataDirectory: await newDataDirectory(), spare: 0, foreseen: 1 });
    await expect.poll(namespaces, { timeout: 30_000 }).toHaveLength(1);
    const slot = await agent.acquire();
    expect(await namespaces()).toEqual([`warren-ns-${slot.number}`]);
    const other = await agent.acquire();
    // What is being made is waited for.
    await agent.close();
    expect((await namespaces()).sort()).toEqual([slot, other].map(({ number }) => `warren-ns-${number}`).sort());
    await Promise.all([slot, other].map((each) => agent.release(each)));
    expect(await remains()).toEqual([]);
  });

  it("keeps the rules of the host for as long as another host agent has a slot", async () => {
    const [one, other] = await twoHostAgents();
    const slot = await one.acquire();
    await one.close();
    await other.close();
    expect(await remains()).toContain(RULES);
    await one.release(slot);
    expect(await remains()).toEqual([]);
  });

  it("gives a slot back to the host agent that is started again", async () => {
    const dataDirectory = await newDataDirectory();
    const former = await machine.hostAgent({ dataDirectory, spare: 2 });
    const [kept, lost] = [await former.acquire(), await former.acquire()];
    await former.kill();

    const agent = await machine.hostAgent({
      dataDirectory,
      spare: 0,
      networks: { guests: "10.21.0.0/16", links: "10.22.0.0/16" },
    });
    await agent.sweep([kept.number]);
    expect(await agent.adopt(kept.number)).toEqual(kept);
    await expect(agent.adopt(kept.number)).rejects.toMatchObject({ code: "conflict" });
    await expect(agent.adopt(lost.number)).rejects.toMatchObject({ code: "not_found" });
    expect((await machine.run("ip netns list")).trim()).toMatch(
      new RegExp(`^warren-ns-${kept.number}( \\(id: \\d+\\))?$`),
    );
    await agent.sweep([]);
    expect(await remains()).toContain(`${kept.number}`);
    await agent.release(kept);
    await agent.close();
    expect(await remains()).toEqual([]);
  });

  it("does not let a host agent take or sweep the slots of another", async () => {
    const [one, other] = await twoHostAgents();
    const slot = await one.acquire();
    await expect(other.adopt(slot.number)).rejects.toMatchObject({ code: "not_found" });
    await one.kill();
    await other.sweep([]);
    expect(await remains()).toContain(`${slot.number}`);
  });

  it("sweeps the slots of a host agent that is dead and whose data directory is gone", async () => {
    const dataDirectory = await newDataDirectory();
    const dead = await machine.hostAgent({ dataDirectory, spare: 2 });
    await dead.acquire();
    const agent = await machine.hostAgent({ dataDirectory: await newDataDirectory(), spare: 0 });
    await rm(dataDirectory, { recursive: true });
    await agent.sweep([]);
    expect((await remains()).length).toBeGreaterThan(1);
    await dead.kill();
    await agent.sweep([]);
    expect(await remains()).toEqual([RULES]);
    await agent.close();
    expect(await remains()).toEqual([]);
  });

  it("reports that the host is full, and goes on when a slot is released", async () => {
    const agent = await machine.hostAgent({ dataDirectory: await newDataDirectory(), spare: 1, capacity: 2 });
    const slots = await acquireMany(agent, 2);
    await expect(agent.acquire()).rejects.toMatchObject({ code: "host_full" });
    await agent.release(slots[0]!);
    slots[0] = await agent.acquire();
    await expect(agent.acquire()).rejects.toMatchObject({ code: "host_full" });
  });

  it.each([0, 1])("answers every call, however closely they follow each other, with %i spare slots", async (spare) => {
    const agent = machine.hostAgentProcess();
    const outcomes = await agent.takeTurns({ dataDirectory: await newDataDirectory(), spare, capacity: 1 }, 3);
    expect(outcomes).toEqual(["host_full", "host_full", "host_full"]);
    await agent.close();
    expect(await remains()).toEqual([]);
  });

  it("reports that the machine's addresses are used up", async () => {
    const networks = { guests: "10.21.0.0/29", links: "10.22.0.0/29" };
    const [one, other] = await twoHostAgents({ networks });
    expect(numbers([...(await acquireMany(one, 2)), await other.acquire()])).toEqual([1, 2, 3]);
    await expect(other.acquire()).rejects.toMatchObject({ code: "host_full" });
  });

  it("takes no number of which something exists that nobody has claimed", async () => {
    const networks = { guests: "10.21.0.0/29", links: "10.22.0.0/29" };
    await machine.run("ip netns add warren-ns-1; ip link add warren-v3 type veth peer name other");
    const agent = await machine.hostAgent({ dataDirectory: await newDataDirectory(), spare: 0, networks });
    const slot = await agent.acquire();
    expect(slot.number).toBe(2);
    await expect(agent.acquire()).rejects.toMatchObject({ code: "host_full" });
    await agent.release(slot);
    await agent.close();
    expect(await machine.run("ls /run/netns")).toBe("warren-ns-1\n");
  });

  it("undoes a set-up that fails half way, and tries again at the next call", async () => {
    const networks = { guests: "10.21.0.0/29", links: "10.22.0.0/28" };
    const agent = await machine.hostAgent({ dataDirectory: await newDataDirectory(), spare: 0, networks });
    // Stands in the way of the route of slot 4.
    await machine.run("ip route add unreachable 10.21.0.4/32");
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => agent.acquire()));
    expect(outcomes.filter(({ status }) => status === "rejected").length).toBeGreaterThan(0);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected")
        expect(outcome.reason).toMatchObject({ message: expect.stringContaining("File exists") });
      else await agent.release(outcome.value);
    }
    expect(await remains()).toEqual([RULES]);
    await machine.run("ip route del unreachable 10.21.0.4/32");
    expect(numbers(await acquireMany(agent, 6))).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("removes what is left of a slot of which parts are gone", async () => {
    const agent = await machine.hostAgent({ dataDirectory: await newDataDirectory(), spare: 0 });
    const slots = await acquireMany(agent, 3);
    await machine.run(`ip link del warren-v${slots[0]!.number}; ip netns del warren-ns-${slots[1]!.number}`);
    await Promise.all(slots.map((slot) => agent.release(slot)));
    await agent.close();
    expect(await remains()).toEqual([]);
  });

  it("refuses networks that the host uses otherwise, and says which", async () => {
    await machine.run(
      "ip link add other type veth peer name end; ip link set other up; ip addr add 10.12.7.1/24 dev other",
    );
    const opened = machine.hostAgent({ dataDirectory: await newDataDirectory() });
    await expect(opened).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringMatching(/10\.12\.0\.0\/16.*10\.12\.7\..*other/),
    });
    const networks = { guests: "10.21.0.0/16", links: "10.22.0.0/16" };
    const agent = await machine.hostAgent({ dataDirectory: await newDataDirectory(), spare: 0, networks });
    expect((await agent.acquire()).hostIp).toMatch(/^10\.21\./);
  });

  it.each(["8.8.8.8 }; flush ruleset", "dns.example", "fd00::1", "127.0.0.53"])(
    "refuses %j as a name server",
    async (resolver) => {
      const opened = machine.hostAgent({ dataDirectory: await newDataDirectory(), dns: [resolver] });
      await expect(opened).rejects.toMatchObject({ code: "invalid_request" });
      expect(await machine.run("ls -A /run")).toBe("");
    },
  );

  it("reports what stands in the way of a removal, and removes the slot once it is gone", async () => {
    const agent = await machine.hostAgent({ dataDirectory: await newDataDirectory(), spare: 0 });
    const slot = await agent.acquire();
    await machine.run("mount -o remount,bind,ro /run/netns");
    await expect(agent.release(slot)).rejects.toMatchObject({
      message: expect.stringMatching(`slot ${slot.number} could not be removed: .*Read-only file system`),
    });
    await machine.run("mount -o remount,bind,rw /run/netns");
    await agent.release(slot);
    await agent.close();
    expect(await remains()).toEqual([]);
  });

  it("speaks no IPv6", async () => {
    const agent = await machine.hostAgent({ dataDirectory: await newDataDirectory(), spare: 0 });
    const slot = await agent.acquire();
    await machine.guest(slot);
    expect(
      await machine.run(`ip -6 addr show dev warren-v${slot.number}; ip -n warren-ns-${slot.number} -6 addr show`),
    ).toBe("");
  });
});

describe("a host agent killed", () => {
  /** Resolves when `count` names have come or gone in a directory of the machine. */
  async function changes(directory: string, count: number): Promise<void> {
    const names = new Set<string>();
    const watcher = watch(machine.path(directory));
    try {
      while (names.size < count) {
        const [, name] = (await once(watcher, "change")) as [string, string];
        names.add(name);
      }
    } finally {
      watcher.close();
    }
  }

  async function expectCleanSweep(dataDirectory: string): Promise<void> {
    const agent = await machine.hostAgent({ dataDirectory, spare: 0 });
    await agent.sweep([]);
    expect(await remains()).toEqual([RULES]);
    await agent.close();
    expect(await remains()).toEqual([]);
    expect(await machine.run("ls -A /run/warren/owners")).toBe("");
  }

  it.each([
    ["after its first claim", "/run/warren/slots", 1],
    ["after its last claim", "/run/warren/slots", 8],
    ["after its first namespace", "/run/netns", 1],
    ["after its last namespace", "/run/netns", 8],
  ])("%s leaves nothing after a sweep", async (_when, directory, count) => {
    await machine.run("mkdir -p /run/netns /run/warren/slots");
    const dataDirectory = await newDataDirectory();
    const agent = await machine.hostAgent({ dataDirectory, spare: 0 });
    const reached = changes(directory, count);
    const slots = Array.from({ length: 9 }, () => agent.acquire().catch(() => undefined));
    await reached;
    await agent.kill();
    await Promise.all(slots);
    await expectCleanSweep(dataDirectory);
  });

  it.each([1, 4, 8])(
    "while it removes slots, with %i of 8 namespaces gone, leaves nothing after a sweep",
    async (count) => {
      const dataDirectory = await newDataDirectory();
      const agent = await machine.hostAgent({ dataDirectory, spare: 0 });
      const slots = await acquireMany(agent, 8);
      const reached = changes("/run/netns", count);
      const released = slots.map((slot) => agent.release(slot).catch(() => undefined));
      await reached;
      await agent.kill();
      await Promise.all(released);
      await expectCleanSweep(dataDirectory);
    },
  );
});
