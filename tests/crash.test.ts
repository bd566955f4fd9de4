import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loseNothing } from "./support/crash-workload.ts";
import { HostAgentFixture } from "./support/host-agent.ts";
import { killIfThere, vmmProcesses } from "./support/host-state.ts";
import type { SeededRandom } from "./support/random.ts";

const ROUNDS = Number(process.env.WARREN_CRASH_ROUNDS ?? 200);
const SEED = Number(process.env.WARREN_CRASH_SEED ?? 20261121);

type Victim = "agent" | "vmm" | "both";

let host: HostAgentFixture;
beforeAll(async () => {
  host = await HostAgentFixture.start({ WARREN_WARM_POOL: "0", WARREN_SPARE_SLOTS: "1" });
});
afterAll(() => host?.dispose());

/** Kills them at the same moment; resolves when they are gone. */
async function kill(victim: Victim, random: SeededRandom): Promise<void> {
  const processes = victim === "agent" ? [] : vmmProcesses(host.directory);
  const chosen = victim === "both" || processes.length === 0 ? processes : [random.pick(processes)];
  for (const pid of chosen) killIfThere(pid);
  if (victim !== "vmm") await host.kill();
  await expect.poll(() => vmmProcesses(host.directory).filter((pid) => chosen.includes(pid))).toEqual([]);
}

it(`loses nothing in ${ROUNDS} rounds of SIGKILL, and leaks nothing`, { timeout: 3_600_000 }, async () => {
  await loseNothing(host, {
    rounds: ROUNDS,
    seed: SEED,
    round: async (workload, round, random) => {
      await workload.begin(round);
      const operations = workload.start();
      const victim = random.pick<Victim>(["agent", "vmm", "both"]);
      await delay(random.next() * operations.span);
      await kill(victim, random);
      await operations.end(`${victim} killed`);
      if (victim !== "vmm") await host.restart();
      await workload.settled();
      await workload.verify(victim !== "agent");
      if (round % 10 === 0) await workload.verifyTemplates();
    },
  });
});
