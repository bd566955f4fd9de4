import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { WarrenError } from "@warren/contracts/errors";
import { GUEST_NETWORK, type Slot, type SlotPool, type SlotTraffic } from "../network.ts";

/**
 * Numbers of slots are above those of real ones and of the user ids that follow (server/src/user-ids.ts): a microVM of QEMU that
 * another test runs meanwhile would be taken for one of these, and ended, by its user.
 */
const FIRST_NUMBER = 40_000;
const SLOTS = 25_000;
/** Addresses of slots are 127.64.0.1 and the following ones: those of the loopback interface need no preparation. */
const FIRST = 64;

/** Opens a pool of networks for guests of the fake VMM: addresses of this host at which nobody listens yet. */
export async function createFakeSlots(): Promise<SlotPool> {
  return new FakeSlots();
}

class FakeSlots implements SlotPool {
  readonly #inUse = new Set<number>();
  /** Numbers go round from a random one on: pools of other processes begin elsewhere. */
  #next = FIRST_NUMBER + randomInt(SLOTS);

  async acquire(): Promise<Slot> {
    for (let tries = 0; tries < SLOTS; tries++) {
      this.#next = FIRST_NUMBER + ((this.#next + 1 - FIRST_NUMBER) % SLOTS);
      const slot = slotOf(this.#next);
      if (this.#inUse.has(slot.number)) continue;
      this.#inUse.add(slot.number);
      if (await isFree(slot.hostIp)) return slot;
      this.#inUse.delete(slot.number);
    }
    throw new WarrenError("host_full", "all network slots are in use");
  }

  async adopt(number: number): Promise<Slot> {
    if (this.#inUse.has(number)) throw new WarrenError("conflict", `network slot ${number} is in use already`);
    this.#inUse.add(number);
    return slotOf(number);
  }

  async release(slot: Slot): Promise<void> {
    this.#inUse.delete(slot.number);
  }

  /** Nothing is counted at loopback addresses. */
  traffic(): SlotTraffic {
    return { receivedBytes: 0, sentBytes: 0 };
  }

  async sweep(): Promise<void> {}

  count(): { used: number; ready: number } {
    return { used: this.#inUse.size, ready: 0 };
  }

  async close(): Promise<void> {}
}

function slotOf(number: number): Slot {
  const hostIp = `127.${FIRST}.${number >> 8}.${number & 255}`;
  return { number, hostIp, attachment: { namespacePath: "/proc/self/ns/net", tap: hostIp, mac: GUEST_NETWORK.mac } };
}

async function isFree(address: string): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(GUEST_NETWORK.agentPort, address, () => server.close(() => resolve(true)));
  });
}
