import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loseNothing } from "./support/crash-workload.ts";
import { HostAgentFixture } from "./support/host-agent.ts";
import { killIfThere, vmmProcesses } from "./support/host-state.ts";
import { VolatileDisk } from "./support/volatile-disk.ts";

const ROUNDS = Number(process.env.WARREN_POWER_LOSS_ROUNDS ?? 8);
const SEED = Number(process.env.WARREN_CRASH_SEED ?? 20261122);
const DISK_BYTES = 8 * 1024 ** 3;

let disk: VolatileDisk;
let host: HostAgentFixture;
beforeAll(async () => {
  disk = await VolatileDisk.make(DISK_BYTES);
  host = await HostAgentFixture.start({ WARREN_WARM_POOL: "0", WARREN_SPARE_SLOTS: "1" }, [], disk.directory);
});
afterAll(async () => {
  // A test that failed may have left it without power.
  await host?.kill();
  await disk?.restorePower();
  await host?.dispose();
  await disk?.dispose();
});

/** Ends everything that runs, as the loss of power does. */
async function endAll(): Promise<void> {
  await host.kill();
  const running = () => vmmProcesses(host.directory);
  // One that was about to start shows itself a moment later.
  await expect.poll(() => running().map(killIfThere)).toEqual([]);
}

/** Tells the cache of memories that it is of another boot: the kernel's own boot id cannot be changed. */
async function forgetBoot(): Promise<void> {
  await writeFile(join(host.directory, "memory-images/boot-id"), "another boot");
}

it(`loses nothing in ${ROUNDS} losses of power, and leaks nothing`, { timeout: 3_600_000 }, async () => {
  await loseNothing(host, {
    rounds: ROUNDS,
    seed: SEED,
    begin: () => disk.sync(),
    round: async (workload, round, random) => {
      await workload.begin(2 * round);
      await workload.start().end("nothing");
      await workload.begin(2 * round + 1);
      const operations = workload.start();
      await delay(random.next() * operations.span);
      await disk.cutPower();
      await endAll();
      await operations.end("power lost");
      await disk.restorePower();
      await forgetBoot();
      await host.restart();
      await workload.settled();
      await workload.verify(true);
      if (round % 5 === 0) await workload.verifyTemplates();
    },
  });
});
