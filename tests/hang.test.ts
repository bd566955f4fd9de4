import type { Sandbox } from "@warren/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeGuestMemory } from "./support/guest-memory.ts";
import { readRecords, vmmProcesses } from "./support/host-state.ts";
import { outputOf, post, runScript } from "./support/requests.ts";
import { type Stack, startStack } from "./support/stack.ts";

const MEMORY_MB = 128;
/** cli; jmp $: a vCPU that gets there never does anything again. */
const STANDSTILL = Uint8Array.of(0xfa, 0xeb, 0xfe);

/** Prints the lines of the kernel's symbols and memory that say where its chroot(2) is. */
const FIND_CHROOT = "grep -wE '_text|__x64_sys_chroot' /proc/kallsyms; grep 'Kernel code' /proc/iomem";

/** Takes the only vCPU for itself, before all others and for ever. */
const HOG = `
import os
open("/proc/sys/kernel/sched_rt_runtime_us", "w").write("-1")
print("begins", flush=True)
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
while True:
    pass
`;

/** Guests are given up a fifth as late as they are by default: the rest of what is waited for grows with it. */
const SILENCE = { WARREN_GUEST_SILENCE_SEC: "3" };

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ ...SILENCE, WARREN_WARM_POOL: "0" });
});
afterAll(() => stack?.dispose());

const python = (sandbox: Sandbox, program: string) =>
  sandbox.exec("python3", ["-c", program], { user: "root", timeoutSec: 600 });
const logged = (id: string, message: string) => () =>
  stack.hostAgent.log.some((line) => line.includes(id) && line.includes(message));

/** Physical address of the kernel's chroot(2) in a guest. */
async function addressOfChroot(sandbox: Sandbox): Promise<number> {
  const lines = await outputOf(sandbox, FIND_CHROOT);
  const address = (pattern: RegExp) => BigInt(`0x${pattern.exec(lines)?.[1]}`);
  const [chroot, text] = [address(/^(\w+) . __x64_sys_chroot$/m), address(/^(\w+) . _text$/m)];
  return Number(chroot - text + address(/^ *(\w+)-\w+ : Kernel code$/m));
}

it("a guest that has hung says so and can be rolled back to its last pause", { timeout: 600_000 }, async () => {
  const sandbox = await stack.warren.sandboxes.create({ memoryMb: MEMORY_MB });
  const { id } = sandbox;
  await expect(sandbox.rollback()).rejects.toMatchObject({ code: "invalid_state" });
  await sandbox.exec("sh", ["-c", "echo paused with this > /run/kept"], { user: "root" });
  await sandbox.pause();
  await sandbox.resume();
  await sandbox.exec("sh", ["-c", "echo lost > /run/kept"], { user: "root" });

  const address = await addressOfChroot(sandbox);
  const pid = readRecords(stack.directory).find((record) => record.id === id)?.process?.pid ?? 0;
  writeGuestMemory(pid, MEMORY_MB, address, STANDSTILL);
  await expect(python(sandbox, "import os; os.chroot('/')")).rejects.toMatchObject({ code: "guest_unreachable" });
  const get = async () => (await stack.warren.sandboxes.get(id)).fields;
  await expect.poll(get, { timeout: 300_000 }).toMatchObject({ status: "running", reason: { code: "guest_hung" } });

  const rolledBack = await sandbox.rollback();
  expect(rolledBack.fields.status).toBe("paused");
  expect(rolledBack.fields.reason).toMatchObject({ code: "requested" });
  await sandbox.resume();
  expect((await sandbox.exec("cat", ["/run/kept"])).stdout).toBe("paused with this\n");
  await sandbox.destroy();
});

it("a guest whose kernel panicked and was told to stay says so soon, and fails calls within seconds", {
  timeout: 600_000,
}, async () => {
  const sandbox = await stack.warren.sandboxes.create({ memoryMb: MEMORY_MB });
  const { id } = sandbox;
  await sandbox.pause();
  await sandbox.resume();
  const root = (script: string) => sandbox.exec("sh", ["-c", script], { user: "root", timeoutSec: 600 });
  const get = async () => (await stack.warren.sandboxes.get(id)).fields;
  const panic = "Kernel panic - not syncing: only words";
  // Longer than a guest is looked at.
  expect((await root(`echo '${panic}' > /dev/console; sleep 4; echo alive`)).stdout).toBe("alive\n");
  expect(await get()).not.toHaveProperty("reason");

  const panicked = {
    code: "guest_unreachable",
    message: expect.stringContaining("its kernel panicked: sysrq triggered crash"),
  };
  await expect(root("echo 0 > /proc/sys/kernel/panic; echo c > /proc/sysrq-trigger")).rejects.toMatchObject(panicked);
  expect(await get()).toMatchObject({ status: "running", reason: { code: "guest_panicked" } });
  const since = performance.now();
  await expect(root("true")).rejects.toMatchObject(panicked);
  await expect(sandbox.files.stat("/")).rejects.toMatchObject(panicked);
  expect(performance.now() - since).toBeLessThan(40_000);
  await sandbox.rollback();
  await sandbox.resume();
  expect((await root("echo back")).stdout).toBe("back\n");
  expect(await get()).not.toHaveProperty("reason");
  await sandbox.destroy();
});

it("a guest that is only busy is not taken for one that has hung", { timeout: 600_000 }, async () => {
  const sandbox = await stack.warren.sandboxes.create({ memoryMb: MEMORY_MB });
  // It ends with its sandbox, however that is told.
  const ended = python(sandbox, HOG).catch(() => undefined);
  await expect.poll(logged(sandbox.id, "a silent guest is busy"), { timeout: 300_000 }).toBe(true);
  expect((await stack.warren.sandboxes.get(sandbox.id)).fields).not.toHaveProperty("reason");
  await sandbox.destroy();
  await ended;
});

it("a guest that stops answering gives a timely error, and can be destroyed", async () => {
  const sandbox = await stack.warren.sandboxes.create({ memoryMb: MEMORY_MB });
  const pid = readRecords(stack.directory).find(({ id }) => id === sandbox.id)?.process?.pid ?? 0;
  process.kill(pid, "SIGSTOP");
  await expect(sandbox.exec("true", [], { timeoutSec: 300 })).rejects.toMatchObject({ code: "guest_unreachable" });
  await sandbox.destroy();
  expect(vmmProcesses(stack.directory)).not.toContain(pid);
});

it("a guest whose agent nobody reaches is paused by inactivity", { timeout: 600_000 }, async () => {
  const sandbox = await stack.warren.sandboxes.create({ memoryMb: MEMORY_MB, timeoutSec: 2 });
  // Nobody reaches the agent from here on; the command has ended before.
  await runScript(sandbox, "setsid sh -c 'sleep 1; ip link set eth0 down' >/dev/null 2>&1 & exit 0").catch(
    () => undefined,
  );
  const fields = async () => (await stack.warren.sandboxes.get(sandbox.id)).fields;
  await expect.poll(async () => (await fields()).status, { timeout: 480_000 }).toBe("paused");
  expect((await fields()).reason).toMatchObject({ code: "inactivity" });
  await sandbox.destroy();
});

it("a sandbox whose agent does not freeze its processes is copied, made a template of and paused with all it had", async () => {
  const sandbox = await stack.warren.sandboxes.create({ memoryMb: MEMORY_MB });
  const isRefusal = (line: string) => line.includes("did not freeze its processes") && line.includes(sandbox.id);
  const refusals = () => stack.hostAgent.log.filter(isRefusal).length;
  // A thread of the kernel does not freeze: from here on the agent waits for it, and gives up.
  const thread = "$(grep -l jbd2 /proc/[0-9]*/comm | cut -d / -f 3)";
  const group = "/sys/fs/cgroup/user/root/restless";
  await outputOf(sandbox, `mkdir ${group} && echo ${thread} > ${group}/cgroup.procs`);
  const keep = "echo disk > /root/kept; echo memory > /dev/shm/kept; sleep 100000 >/dev/null 2>&1 & echo $! > /run/pid";
  await outputOf(sandbox, keep);
  const look = (each: Sandbox) => outputOf(each, "cat /root/kept /dev/shm/kept; kill -0 $(cat /run/pid) && echo alive");
  const whole = "disk\nmemory\nalive";
  const [made] = (await post(stack, `sandboxes/${sandbox.id}/fork`, { count: 1 })) as { sandbox: { id: string } }[];
  expect(refusals()).toBe(1);
  expect(await look(await stack.warren.sandboxes.get(made!.sandbox.id))).toBe(whole);
  await post(stack, "snapshots", { sandbox_id: sandbox.id, name: "restless" });
  expect(refusals()).toBe(2);
  expect(await look(await stack.warren.sandboxes.create({ template: "restless" }))).toBe(whole);
  await sandbox.pause();
  expect(refusals()).toBe(3);
  await sandbox.resume();
  expect(await look(sandbox)).toBe(whole);
});
