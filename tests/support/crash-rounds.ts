import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import { loseNothing } from "./crash-workload.ts";
import type { HostAgentFixture } from "./host-agent.ts";
import { killIfThere, vmmProcesses } from "./host-state.ts";
import type { SeededRandom } from "./random.ts";

/** Settings of a host agent whose rounds are told apart: nothing stands ready. */
export const WITHOUT_SPARES = { WARREN_WARM_POOL: "0", WARREN_SPARE_SLOTS: "1" };

type Victim = "agent" | "vmm" | "both";

/** Rounds in each of which the host agent, a VMM, or all of them are killed in the middle of operations. */
export function surviveKills(host: HostAgentFixture, rounds: number, seed: number): Promise<void> {
  return loseNothing(host, {
    rounds,
    seed,
    round: async (workload, round, random) => {
      await workload.begin(round);
      const operations = workload.start();
      const victim = random.pick<Victim>(["agent", "vmm", "both"]);
      await delay(random.next() * operations.span);
      await kill(host, victim, random);
      await operations.end(`${victim} killed`);
      if (victim !== "vmm") await host.restart();
      await workload.settled();
      await workload.verify(victim !== "agent");
      if (round % 10 === 0) await workload.verifyTemplates();
    },
  });
}

/** Kills them at the same moment; resolves when they are gone. */
async function kill(host: HostAgentFixture, victim: Victim, random: SeededRandom): Promise<void> {
  const processes = victim === "agent" ? [] : vmmProcesses(host.directory);
  const chosen = victim === "both" || processes.length === 0 ? processes : [random.pick(processes)];
  for (const pid of chosen) killIfThere(pid);
  if (victim !== "vmm") await host.kill();
  await expect.poll(() => vmmProcesses(host.directory).filter((pid) => chosen.includes(pid))).toEqual([]);
}
