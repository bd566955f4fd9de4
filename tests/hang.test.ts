import type { Sandbox } from "@warren/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeGuestMemory } from "./support/guest-memory.ts";
import { readRecords } from "./support/host-state.ts";
import { type Stack, startStack } from "./support/stack.ts";

const MEMORY_MB = 128;
/** cli; jmp $: a vCPU that gets there never does anything again. */
const STANDSTILL = Uint8Array.of(0xfa, 0xeb, 0xfe);

/** Prints the physical address of the kernel's chroot(2). */
const FIND_CHROOT = `
symbols = {name: int(address, 16) for address, _, name, *_ in map(str.split, open("/proc/kallsyms"))}
code = next(line for line in open("/proc/iomem") if "Kernel code" in line)
print(symbols["__x64_sys_chroot"] - symbols["_text"] + int(code.split("-")[0], 16))
`;

/** Takes the only vCPU for itself, before all others and for ever. */
const HOG = `
import os
open("/proc/sys/kernel/sched_rt_runtime_us", "w").write("-1")
print("begins", flush=True)
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
while True:
    pass
`;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ WARREN_WARM_POOL: "0" });
});
afterAll(() => stack?.dispose());

const python = (sandbox: Sandbox, program: string) =>
  sandbox.exec("python3", ["-c", program], { user: "root", timeoutSec: 600 });
const logged = (id: string, message: string) => () =>
  stack.hostAgent.log.some((line) => line.includes(id) && line.includes(message));

it("a guest that has hung says so and can be rolled back to its last pause", { timeout: 600_000 }, async () => {
  const sandbox = await stack.warren.sandboxes.create({ memoryMb: MEMORY_MB });
  const { id } = sandbox;
  await expect(sandbox.rollback()).rejects.toMatchObject({ code: "invalid_state" });
  await sandbox.exec("sh", ["-c", "echo paused with this > /run/kept"], { user: "root" });
  await sandbox.pause();
  await sandbox.resume();
  await sandbox.exec("sh", ["-c", "echo lost > /run/kept"], { user: "root" });

  const address = Number((await python(sandbox, FIND_CHROOT)).stdout);
  const pid = readRecords(stack.directory).find((record) => record.id === id)?.process?.pid ?? 0;
  writeGuestMemory(pid, MEMORY_MB, address, STANDSTILL);
  await expect(python(sandbox, "import os; os.chroot('/')")).rejects.toMatchObject({ code: "guest_unreachable" });
  const get = async () => (await stack.warren.sandboxes.get(id)).fields;
  await expect.poll(get, { timeout: 300_000 }).toMatchObject({ status: "running", reason: { code: "guest_hung" } });

  const rolledBack = await sandbox.rollback();
  expect(rolledBack.fields.status).toBe("paused");
  expect(rolledBack.fields.reason).toBeUndefined();
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
  expect((await root(`echo '${panic}' > /dev/console; sleep 12; echo alive`)).stdout).toBe("alive\n");
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
