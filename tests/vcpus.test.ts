import { LIMITS } from "@warren/contracts/limits";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stack, startStack } from "./support/stack.ts";

/** Seconds of patching for each number of vCPUs. */
const SECONDS = Number(process.env.WARREN_VCPU_SECONDS ?? 15);
const VCPUS = (process.env.WARREN_VCPUS ?? "2").split(",").map(Number);

/**
 * Keeps all vCPUs busy and has the kernel patch its own code on all of them, as packet capture, tracing and netfilter rules
 * do: switching scheduler statistics on and off changes a static key that stands in the scheduler's hot paths.
 */
const PATCH = `
import os, sys, time
seconds, workers = float(sys.argv[1]), int(sys.argv[2])
children = []
for _ in range(workers):
    child = os.fork()
    if child == 0:
        while True:
            os.sched_yield()
    children.append(child)
end = time.monotonic() + seconds
flips = 0
switch = os.open("/proc/sys/kernel/sched_schedstats", os.O_WRONLY)
while time.monotonic() < end:
    flips += 1
    os.pwrite(switch, b"1" if flips % 2 else b"0", 0)
    time.sleep(0.01)
for child in children:
    os.kill(child, 9)
print(flips)
`;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ WARREN_WARM_POOL: "0" });
});
afterAll(() => stack?.dispose());

describe.each(VCPUS)("a sandbox of %i vCPUs", (vcpus) => {
  it(`stands ${SECONDS} s in which its kernel patches itself under load`, {
    timeout: SECONDS * 6_000 + 300_000,
  }, async () => {
    const sandbox = await stack.warren.sandboxes.create({ vcpus, memoryMb: 256 });
    const [patched, processors] = [
      await sandbox.exec("python3", ["-c", PATCH, String(SECONDS), String(vcpus)], {
        user: "root",
        timeoutSec: Math.min(LIMITS.execTimeoutSec.max, SECONDS * 5 + 120),
      }),
      await sandbox.exec("nproc", []),
    ];
    expect(patched).toMatchObject({ exitCode: 0, stderr: "" });
    expect(Number(patched.stdout)).toBeGreaterThan(SECONDS);
    expect(processors.stdout.trim()).toBe(String(vcpus));
    await sandbox.destroy();
  });
});
