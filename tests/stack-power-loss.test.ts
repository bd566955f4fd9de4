import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { killIfThere, vmmProcesses } from "./support/host-state.ts";
import { SeededRandom } from "./support/random.ts";
import { type Stack, startStack } from "./support/stack.ts";
import { ADMIN, StackWorkload } from "./support/stack-workload.ts";
import { VolatileDisk } from "./support/volatile-disk.ts";

const ROUNDS = Number(process.env.WARREN_STACK_POWER_LOSS_ROUNDS ?? 5);
const SEED = Number(process.env.WARREN_CRASH_SEED ?? 20261128);
const DISK_BYTES = 8 * 1024 ** 3;
/** Milliseconds of work until the power is lost, at most. */
const MOST_WORK_MS = 6_000;

let disk: VolatileDisk;
let stack: Stack;
beforeAll(async () => {
  disk = await VolatileDisk.make(DISK_BYTES);
  const host = { WARREN_WARM_POOL: "0", WARREN_SPARE_SLOTS: "1" };
  const controlPlane = {
    WARREN_ADMIN_EMAIL: ADMIN.email,
    WARREN_ADMIN_PASSWORD: ADMIN.password,
    WARREN_RATE_LIMIT_FACTOR: "1000",
  };
  stack = await startStack(host, controlPlane, disk.directory);
});
afterAll(async () => {
  // A test that failed may have left it without power.
  await endAll();
  await disk?.restorePower();
  await stack?.dispose();
  await disk?.dispose();
});

/** Ends everything that runs, as the loss of power does. */
async function endAll(): Promise<void> {
  if (!stack) return;
  await Promise.all([stack.controlPlane.kill(), stack.hostAgent.kill()]);
  const running = () => [...vmmProcesses(stack.directory), ...disk.seenBy("postgres")];
  // One that was about to start shows itself a moment later.
  await vi.waitFor(() => expect(running().map(killIfThere)).toEqual([]), { timeout: 30_000 });
}

it(`has all that was answered for after ${ROUNDS} losses of power`, { timeout: ROUNDS * 300_000 }, async () => {
  const random = new SeededRandom(SEED);
  const workload = await StackWorkload.begin(stack, random);
  for (let round = 0; round < ROUNDS; round++) {
    let isLost = false;
    const work = workload.run(() => isLost);
    await Promise.race([work, delay(random.next() * MOST_WORK_MS)]);
    isLost = true;
    // What is answered from here on must last as well.
    await Promise.all([work, disk.cutPower().then(endAll)]);
    await disk.restorePower();
    // The kernel's own boot id cannot be changed: the cache of memories is told that this is another boot.
    await writeFile(join(stack.directory, "memory-images/boot-id"), "another boot");
    await Promise.all([stack.startHostAgent(), stack.startControlPlane()]);
    await workload.verify().catch((error: unknown) => {
      throw new Error(`round ${round} of seed ${SEED}`, { cause: error });
    });
  }
  expect(workload.answered).toBeGreaterThan(ROUNDS * 20);
});
