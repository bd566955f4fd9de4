import { describe, expect, test } from "vitest";
import { expectPromisesKept } from "../testing/promises.ts";
import { Random } from "../testing/random.ts";
import { DiskGone, SimulatedDisk } from "../testing/simulated-disk.ts";
import { type Ledger, Workload } from "../testing/workload.ts";
import { collectGarbage } from "./garbage.ts";
import { MemoryStore } from "./store.ts";

const ROUNDS = 300;
const LONGEST_ROUND = 400;

/** Remembers what was promised. */
class MemoryLedger implements Ledger {
  readonly contents = new Map<string, Buffer>();
  readonly promised = new Set<string>();

  readonly content = (id: string): Buffer => this.contents.get(id)!;

  publishing(id: string, content: Buffer): void {
    this.contents.set(id, Buffer.from(content));
  }

  published(id: string): void {
    this.promised.add(id);
  }

  releasing(id: string): void {
    this.promised.delete(id);
  }
}

describe("after a loss of power, or the end of the process, at any point", () => {
  test.each([1, 2, 3])(
    "every header ever reported published is intact, nothing half-made shows, nothing leaks (%i)",
    async (seed) => {
      const random = new Random(seed);
      const ledger = new MemoryLedger();
      let disk = new SimulatedDisk(random);
      for (let round = 0; round < ROUNDS / 3; round++) {
        const store = await open(disk, random);
        await expectPromisesKept(store, ledger);
        disk.failAfter(random.below(LONGEST_ROUND));
        const workload = new Workload(store, random, ledger, [...ledger.promised]);
        await untilGone(async () => {
          while (!disk.hasFailed) await workload.step();
        });
        disk = random.chance(0.5) ? disk.afterPowerLoss() : disk.afterKill();
        // Now and then it happens again while the store is opened and cleaned.
        while (random.chance(0.5)) {
          const again = disk;
          again.failAfter(random.below(30));
          await untilGone(async () => void (await collectGarbage(await open(again, random))));
          disk = random.chance(0.7) ? disk.afterPowerLoss() : disk.afterKill();
        }
      }
      expect(ledger.contents.size).toBeGreaterThan(ROUNDS);
    },
  );
});

async function untilGone(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof DiskGone)) throw error;
  }
}

function open(disk: SimulatedDisk, random: Random): Promise<MemoryStore> {
  return MemoryStore.open("/memory", { files: disk, captureBuffers: 1 + random.below(2), backgroundBuffers: 1 });
}
