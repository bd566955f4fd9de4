import { execFileSync } from "node:child_process";
import type { Sandbox } from "@warren/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { claimedSlots, readRecords, slotNamespaces, vmmProcesses } from "./support/host-state.ts";
import { outputOf, post, runScript } from "./support/requests.ts";
import { type Stack, startStack } from "./support/stack.ts";

/** Milliseconds for an end to be noted, on a machine that has much to do. */
const NOTED = { timeout: 120_000 };

/** Number of reboot(2). */
const REBOOT = process.arch === "x64" ? 169 : 142;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ WARREN_WARM_POOL: "0" });
});
afterAll(() => stack?.dispose());

describe("a sandbox that ends though nobody asked", () => {
  const fields = async ({ id }: Sandbox) => (await stack.warren.sandboxes.get(id)).fields;
  const act = async ({ id }: Sandbox, action: string) => {
    const url = `${stack.url}/v1/sandboxes/${id}/${action}`;
    const response = await fetch(url, { method: "POST", headers: { "x-api-key": stack.apiKey } });
    expect(response.status).toBe(200);
  };
  const killVmm = ({ id }: Sandbox) => {
    const pid = readRecords(stack.directory).find((record) => record.id === id)?.process?.pid;
    process.kill(pid!, "SIGKILL");
  };
  const trigger = (key: string) => (sandbox: Sandbox) =>
    runScript(sandbox, `echo ${key} > /proc/sysrq-trigger`).catch(() => undefined);

  /** Process 1 crashes, with a long trace on a console to which much was printed, byte by byte. */
  const crashAgent = (sandbox: Sandbox) => {
    const print = 'open(my $console, ">", "/dev/console"); syswrite($console, "x") for 1 .. 80000';
    return runScript(sandbox, `perl -e '${print}'; kill -SEGV 1; sleep 600`).catch(() => undefined);
  };

  /** Ends the system by reboot(2), which shuts all its devices down before. */
  const reboot = (command: string) => (sandbox: Sandbox) =>
    runScript(sandbox, `perl -e 'syscall(${REBOOT}, 0xfee1dead, 0x28121969, ${command}, 0)'`).catch(() => undefined);

  it("says while it runs that its memory ran out, and which process was killed for it", async () => {
    const sandbox = await stack.warren.sandboxes.create({ memoryMb: 128 });
    const { stdout } = await runScript(sandbox, "tail /dev/zero & echo $!; wait");
    await expect
      .poll(() => fields(sandbox), NOTED)
      .toMatchObject({
        status: "running",
        reason: { code: "out_of_memory", message: expect.stringContaining(`process ${stdout.trim()} (tail)`) },
      });
    await act(sandbox, "pause");
    expect((await fields(sandbox)).reason).toMatchObject({ code: "requested" });
    await sandbox.destroy();
  });

  it("returns to its last pause, whatever the end was, and says what it was", async () => {
    const sandbox = await stack.warren.sandboxes.create({ memoryMb: 256 });
    await runScript(sandbox, "echo first > /root/state; sync");
    await act(sandbox, "pause");
    for (const [end, code, message] of [
      [trigger("o"), "guest_powered_off", /powered itself off/],
      [reboot("0x4321fedc"), "guest_powered_off", /powered itself off/],
      [trigger("b"), "guest_rebooted", /rebooted/],
      [reboot("0x1234567"), "guest_rebooted", /rebooted/],
      // Process 1 ends the system as if it was asked for a restart.
      [(each: Sandbox) => runScript(each, "kill -TERM 1").catch(() => undefined), "guest_rebooted", /rebooted/],
      [trigger("c"), "guest_panicked", /sysrq triggered crash/],
      [crashAgent, "guest_panicked", /Attempted to kill init/],
      [killVmm, "microvm_lost", /killed or failed/],
    ] as const) {
      await act(sandbox, "resume");
      expect(await fields(sandbox)).not.toHaveProperty("reason");
      await runScript(sandbox, "echo second > /root/state; sync");
      await end(sandbox);
      await expect.poll(async () => (await fields(sandbox)).status, NOTED).toBe("paused");
      const { reason } = await fields(sandbox);
      expect(reason).toMatchObject({ code, message: expect.stringMatching(message) });
      if (code === "guest_panicked") expect(reason?.console).toMatch(/Call Trace|Kernel panic/);
      await expect(sandbox.exec("true")).rejects.toMatchObject({ code: "invalid_state" });
    }
    await act(sandbox, "resume");
    expect((await runScript(sandbox, "cat /root/state")).stdout).toBe("first\n");
    await sandbox.destroy();
  });

  it("tells the calls that are under way how it ended, when it has no pause", async () => {
    for (const [end, message] of [
      ["echo o > /proc/sysrq-trigger; sleep 600", /has ended: .*powered itself off/],
      ["echo b > /proc/sysrq-trigger; sleep 600", /has ended: .*rebooted/],
      ["echo c > /proc/sysrq-trigger; sleep 600", /has ended: .*sysrq triggered crash/],
    ] as const) {
      const sandbox = await stack.warren.sandboxes.create({ memoryMb: 128 });
      await expect(runScript(sandbox, end)).rejects.toMatchObject({
        code: "invalid_state",
        message: expect.stringMatching(message),
      });
      expect(await fields(sandbox)).toMatchObject({ status: "stopped", reason: {} });
    }
  });

  it("is stopped when it has no pause, and the host tells so until it is noted, whoever restarts meanwhile", async () => {
    const sandbox = await stack.warren.sandboxes.create({ memoryMb: 128 });
    await stack.controlPlane.stop();
    killVmm(sandbox);
    const record = () => readRecords(stack.directory).find(({ id }) => id === sandbox.id);
    await expect.poll(() => record()?.status, NOTED).toBe("stopped");
    expect(vmmProcesses(stack.directory)).toEqual([]);
    await stack.hostAgent.kill();
    await stack.startHostAgent();
    expect(claimedSlots(stack.directory)).not.toContain(record()?.slot);
    await stack.startControlPlane();
    await expect.poll(async () => (await fields(sandbox)).status, NOTED).toBe("stopped");
    expect((await fields(sandbox)).reason).toMatchObject({ code: "microvm_lost" });
    await expect.poll(record, NOTED).toBe(undefined);
  });

  it("is no error of the host agent when the host has restarted", async () => {
    const sandbox = await stack.warren.sandboxes.create({ memoryMb: 128 });
    const slot = readRecords(stack.directory).find(({ id }) => id === sandbox.id)!.slot!;
    await stack.hostAgent.kill();
    const namespaces = slotNamespaces().filter((name) => name === `warren-ns-${slot}`);
    killVmm(sandbox);
    expect(namespaces).toHaveLength(1);
    execFileSync("ip", ["netns", "delete", namespaces[0]!]);
    const { log } = await stack.startHostAgent();
    await expect.poll(async () => (await fields(sandbox)).status, NOTED).toBe("stopped");
    expect((await fields(sandbox)).reason).toMatchObject({ code: "microvm_lost" });
    expect(log.filter((line) => JSON.parse(line).level >= 50)).toEqual([]);
    expect(log.filter((line) => line.includes(sandbox.id) && line.includes("did not outlive"))).toHaveLength(1);
  });
});

describe("a sandbox whose root user took away what its agent works with", () => {
  const prepare = async (sandbox: Sandbox, script: string) => {
    expect(await runScript(sandbox, script)).toMatchObject({ exitCode: 0, stderr: "" });
  };
  const mustKnowItself = async (sandbox: Sandbox) =>
    expect(await outputOf(sandbox, 'uname -n; echo "$WARREN_SANDBOX_ID"')).toBe(`${sandbox.id}\n${sandbox.id}`);
  const mustResume = async (sandbox: Sandbox) => {
    await sandbox.pause();
    await sandbox.resume();
    await mustKnowItself(sandbox);
  };

  it("runs commands, is paused, resumed and forked all the same", async () => {
    const sandbox = await stack.warren.sandboxes.create({ memoryMb: 128 });
    const names = "rm hosts hostname machine-id; mkdir hosts; mkfifo hostname; ln -s /dev/zero machine-id";
    await prepare(sandbox, `cd /etc && ${names}`);
    await mustResume(sandbox);
    await prepare(sandbox, "rmdir /etc/hosts && truncate -s 1T /etc/hosts");
    await mustResume(sandbox);
    await prepare(sandbox, "cd /dev && rm null urandom random console && mkfifo null urandom random console");
    await prepare(sandbox, "for d in /run /dev /sys/fs/cgroup /sys /proc; do mount -t tmpfs none $d; done");
    await mustResume(sandbox);
    await prepare(sandbox, "umount /proc; umount -l /sys /sys/fs/cgroup /dev /run; mount -o remount,ro /sys/fs/cgroup");
    await prepare(sandbox, "mount -o remount,ro /; umount -al 2>&1 || :");
    await mustResume(sandbox);
    const [made] = (await post(stack, `sandboxes/${sandbox.id}/fork`, { count: 1 })) as { sandbox: { id: string } }[];
    const fork = await stack.warren.sandboxes.get(made!.sandbox.id);
    await mustKnowItself(fork);
    await mustResume(fork);
    await fork.destroy();
    await sandbox.destroy();
  });

  it("is resumed without a file system that answers", async () => {
    const sandbox = await stack.warren.sandboxes.create({ memoryMb: 128 });
    const destroy = "dd if=/dev/zero of=/dev/vda bs=1M count=2 2>&1";
    await prepare(sandbox, `sync; ${destroy}; echo 3 > /proc/sys/vm/drop_caches`);
    await sandbox.pause();
    await sandbox.resume();
    expect((await stack.warren.sandboxes.get(sandbox.id)).fields.status).toBe("running");
    await sandbox.destroy();
  });
});
