import { setTimeout as delay } from "node:timers/promises";
import type { Sandbox } from "@warren/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { anonymousMemory, claimedSlots, readRecords, vmmProcesses } from "./support/host-state.ts";
import { type Stack, startStack, sweep } from "./support/stack.ts";

const MIB = 1024 * 1024;
/** MiB of output to a slow reader: more than all hops together may hold. */
const OUTPUT_MIB = Number(process.env.WARREN_OUTPUT_MIB ?? 128);
/** MiB that all hops together may hold of it, and by which the memory of each may grow: less than all of it. */
const AHEAD_MIB = 32;
const GROWTH_MIB = 96;

describe("what goes wrong inside a sandbox stays inside", () => {
  let stack: Stack;
  let sandbox: Sandbox;
  let neighbour: Sandbox;
  beforeAll(async () => {
    stack = await startStack();
    [sandbox, neighbour] = await Promise.all([
      stack.warren.sandboxes.create({ memoryMb: 256 }),
      stack.warren.sandboxes.create({ memoryMb: 128 }),
    ]);
  });
  afterAll(() => stack?.dispose());

  it("much output to a slow reader takes bounded memory on every hop", async () => {
    const [record] = readRecords(stack.directory).filter(({ id }) => id === sandbox.id);
    const hops = {
      controlPlane: stack.controlPlane.pid,
      hostAgent: stack.hostAgent.pid,
      vmm: record?.process?.pid ?? 0,
    };
    const before = Object.values(hops).map(anonymousMemory);
    const program = `i=0; while [ $i -lt ${OUTPUT_MIB} ]; do head -c ${MIB} /dev/zero; i=$((i+1)); echo $i >/tmp/written; done`;
    const process = await sandbox.stream("sh", ["-c", program]);
    process.stderr.resume();
    const writtenMib = async () => Number((await sandbox.exec("cat", ["/tmp/written"])).stdout);
    let received = 0;
    let most = before;
    const look = () => {
      const now = Object.values(hops).map(anonymousMemory);
      most = most.map((value, index) => Math.max(value, now[index] ?? 0));
    };
    for await (const chunk of process.stdout as AsyncIterable<Buffer>) {
      const former = received;
      received += chunk.length;
      // The reader rests early on, until every buffer on the way is full and the program waits; then it reads at full speed.
      if (former < 8 * MIB && received >= 8 * MIB) {
        const writtenBefore = await unchanging(writtenMib);
        expect(writtenBefore - received / MIB).toBeLessThan(AHEAD_MIB);
        look();
      }
      if (received % (32 * MIB) < chunk.length) look();
    }
    expect(received).toBe(OUTPUT_MIB * MIB);
    expect(await process.exit).toMatchObject({ exitCode: 0 });
    for (const [index, value] of most.entries()) {
      expect(value - (before[index] ?? 0), Object.keys(hops)[index]).toBeLessThan(GROWTH_MIB * MIB);
    }
    const agentMemory = await sandbox.exec("sh", ["-c", "grep RssAnon /proc/1/status"], { user: "root" });
    expect(Number(/(\d+)/.exec(agentMemory.stdout)?.[1]) * 1024).toBeLessThan(64 * MIB);
  }, 1_200_000);

  it("a reader that goes away ends the command", async () => {
    const process = await sandbox.stream("sh", ["-c", "echo $$; exec sleep 1000"]);
    process.stderr.resume();
    const [first] = await process.stdout.take(1).toArray();
    process.close();
    const gone = "while kill -0 $1 2>/dev/null; do sleep 0.1; done; echo gone";
    const result = await sandbox.exec("sh", ["-c", gone, "sh", String(first).trim()], { timeoutSec: 300 });
    expect(result.stdout).toBe("gone\n");
  });

  it("a fork bomb leaves the host and the other sandboxes unharmed, and the sandbox can be used and destroyed", async () => {
    const bombed = await stack.warren.sandboxes.create({ memoryMb: 256 });
    // Whether the shell itself still gets to its end is a matter of the guest's, as is whether its user can start more.
    await bombed
      .exec("sh", ["-c", "bomb() { bomb | bomb & }; bomb; sleep 5"], { timeoutSec: 20 })
      .catch(() => undefined);
    expect((await neighbour.exec("echo", ["fine"])).stdout).toBe("fine\n");
    const answer = await bombed.exec("echo", ["still here"], { user: "root", timeoutSec: 300 });
    expect(answer.stdout).toBe("still here\n");
    await bombed.destroy();
    expect((await stack.warren.sandboxes.list()).map(({ id }) => id)).not.toContain(bombed.id);
  });

  it("root ends a fork bomb by the usual command: nothing forks behind its back", async () => {
    const bombed = await stack.warren.sandboxes.create({ memoryMb: 256 });
    const bomb = bombed
      .exec("sh", ["-c", "bomb() { bomb | bomb & }; bomb; sleep 1000"], { timeoutSec: 1200 })
      .catch(() => undefined);
    const root = (script: string) => bombed.exec("sh", ["-c", script], { user: "root", timeoutSec: 300 });
    await root("until grep -q 'max [1-9]' /sys/fs/cgroup/user/others/processes/*/pids.events; do sleep 0.2; done");
    expect(await root("ps aux | wc -l")).toMatchObject({ exitCode: 0 });
    expect(await root("pkill -u user")).toMatchObject({ exitCode: 0 });
    await bomb;
    const gone = await root("while pgrep -u user >/dev/null; do sleep 0.2; done; echo gone");
    expect(gone.stdout).toBe("gone\n");
    await bombed.destroy();
  }, 1_800_000);

  it("a full disk is reported as such, and gives room again", async () => {
    // Takes every block that is left, without the time that writing them would take; what is written then finds none.
    const fill =
      "fallocate -l $(df --output=avail -B1 / | tail -1) /tmp/filler; dd if=/dev/zero of=/tmp/more bs=1M; sync";
    expect((await sandbox.exec("sh", ["-c", fill], { timeoutSec: 300, user: "root" })).stderr).toContain(
      "No space left on device",
    );
    await expect(sandbox.writeFile("/tmp/one-more", Buffer.alloc(MIB))).rejects.toMatchObject({ code: "disk_full" });
    expect((await neighbour.exec("sh", ["-c", "echo x > /tmp/x && cat /tmp/x"])).stdout).toBe("x\n");
    await sandbox.exec("rm", ["/tmp/filler", "/tmp/more"], { user: "root", timeoutSec: 120 });
    await sandbox.writeFile("/tmp/one-more", Buffer.alloc(MIB));
    expect(await sandbox.readFile("/tmp/one-more")).toHaveLength(MIB);
  });

  it("a sandbox that powers itself off is stopped, and leaves nothing", async () => {
    const off = await stack.warren.sandboxes.create({ memoryMb: 128 });
    const [record] = readRecords(stack.directory).filter(({ id }) => id === off.id);
    await off
      .exec("sh", ["-c", "echo o > /proc/sysrq-trigger"], { user: "root", timeoutSec: 10 })
      .catch(() => undefined);
    await expect
      .poll(() => readRecords(stack.directory).map(({ id }) => id), { timeout: 60_000 })
      .not.toContain(off.id);
    expect(claimedSlots(stack.directory)).not.toContain(record?.slot);
    await expect
      .poll(async () => (await stack.warren.sandboxes.list()).map(({ id }) => id), { timeout: 60_000 })
      .not.toContain(off.id);
  });
});

describe("the death of a host agent", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ WARREN_SPARE_SLOTS: "1" });
  });
  afterAll(async () => {
    const directory = stack?.directory;
    await stack?.dispose();
    if (directory) {
      expect(vmmProcesses(directory)).toEqual([]);
      expect(claimedSlots(directory)).toEqual([]);
    }
  });

  it("loses no running sandbox: a killed agent's successor takes them up, with their files and processes", async () => {
    const sandbox = await stack.warren.sandboxes.create({ memoryMb: 128 });
    await sandbox.exec("sh", ["-c", "echo kept > /tmp/kept; sleep 10000 >/dev/null 2>&1 & echo $! > /tmp/pid"]);
    await stack.hostAgent.kill();
    await stack.startHostAgent();
    const result = await sandbox.exec("sh", ["-c", "cat /tmp/kept; kill -0 $(cat /tmp/pid) && echo alive"]);
    expect(result.stdout).toBe("kept\nalive\n");
    await sandbox.destroy();
  });

  it("leaves running sandboxes running when it is asked to stop", async () => {
    const sandbox = await stack.warren.sandboxes.create({ memoryMb: 128 });
    const pids = vmmProcesses(stack.directory);
    expect(await stack.hostAgent.stop()).toBe(0);
    expect(vmmProcesses(stack.directory)).toEqual(pids);
    await stack.startHostAgent();
    expect((await sandbox.exec("echo", ["on"])).stdout).toBe("on\n");
    await sandbox.destroy();
  });

  it("in the middle of creating and destroying leaves nothing but whole sandboxes", async () => {
    // Seeded, so that a failure can be repeated: delays between the start of the work and the kill, in milliseconds.
    const delays = [5, 40, 120, 300, 700, 1500, 3500];
    const keeper = await stack.warren.sandboxes.create({ memoryMb: 128 });
    for (const [round, milliseconds] of delays.entries()) {
      const doomed = round % 2 === 0 ? undefined : await stack.warren.sandboxes.create({ memoryMb: 128 });
      const work = [
        stack.warren.sandboxes.create({ memoryMb: 128 }).catch(() => undefined),
        doomed?.destroy().catch(() => undefined),
      ];
      await delay(milliseconds);
      await stack.hostAgent.kill();
      await Promise.all(work);
      await stack.startHostAgent();
      const records = readRecords(stack.directory);
      expect(
        records.every(({ status }) => status === "running"),
        JSON.stringify(records),
      ).toBe(true);
      expect(vmmProcesses(stack.directory)).toHaveLength(records.length);
      expect((await keeper.exec("echo", ["kept"])).stdout).toBe("kept\n");
      for (const { id } of records.filter(({ id }) => id !== keeper.id)) {
        await stack.warren.sandboxes.get(id).then(
          (sandbox) => sandbox.destroy(),
          () => undefined,
        );
      }
    }
    await keeper.destroy();
    await stack.hostAgent.kill();
    await sweep(stack.directory);
    expect(readRecords(stack.directory)).toEqual([]);
    expect(vmmProcesses(stack.directory)).toEqual([]);
    expect(claimedSlots(stack.directory)).toEqual([]);
    await stack.startHostAgent();
  });
});

/** What a measure comes to when it has been the same for three seconds: nobody tells when a program has to wait. */
async function unchanging(measure: () => Promise<number>): Promise<number> {
  let [value, times] = [await measure(), 0];
  while (times < 3) {
    await delay(1000);
    const now = await measure();
    times = now === value ? times + 1 : 0;
    value = now;
  }
  return value;
}
