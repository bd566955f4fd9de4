import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { WarrenError } from "@warren/contracts/errors";
import { AddressPlan, type SlotAddresses } from "./addresses.ts";
import type { Claim, SlotClaims } from "./claims.ts";
import { forgetConnections } from "./conntrack.ts";
import { GUEST_NETWORK, type Slot } from "./network.ts";
import { buildScript, RETIRE_SCRIPT, type Removal, releaseScript, runScript, unlinkScript } from "./scripts.ts";

/** Makes and removes slots on this machine. */
export class SlotBuilder {
  readonly #claims: SlotClaims;
  readonly #plan: AddressPlan;
  readonly #resolvers: readonly string[];
  /**
   * Number to try next. Numbers go round, from a random one on, so that a slot's addresses rest for as long as possible
   * before another guest has them: what is still under way to the former guest finds nobody.
   */
  #next: number;

  constructor(claims: SlotClaims, plan: AddressPlan, resolvers: readonly string[]) {
    this.#claims = claims;
    this.#plan = plan;
    this.#resolvers = resolvers;
    this.#next = randomInt(1, plan.highestSlot + 1);
  }

  /** Makes up to `count` slots, at least one. Throws `host_full` when all numbers are taken. Leaves nothing when it fails. */
  async build(count: number): Promise<Slot[]> {
    const slots: SlotAddresses[] = [];
    try {
      while (slots.length < count) {
        const slot = await this.#claimFree();
        if (slot === undefined) break;
        slots.push(slot);
      }
      if (slots.length === 0) {
        throw new WarrenError(
          "host_full",
          `all ${this.#plan.highestSlot} network slots of this host are taken: stop a sandbox, or give Warren larger networks`,
        );
      }
      await runScript("Setting up network slots", buildScript(slots, this.#plan.networks, this.#resolvers));
    } catch (error) {
      await this.#rollBack(slots, error);
      throw error;
    }
    return slots.map(slotOf);
  }

  /** A slot that an earlier process of this data directory has made. Throws `not_found` when there is none. */
  async find(number: number): Promise<{ slot: Slot; removal: Removal }> {
    const claim = await this.#claims.get(number);
    if (claim?.owner.dataDirectory !== this.#claims.owner.dataDirectory) {
      throw new WarrenError(
        "not_found",
        `network slot ${number} does not belong to ${this.#claims.owner.dataDirectory}`,
      );
    }
    const removal = removalOf(claim);
    if (!existsSync(namespacePath(removal.slot))) {
      throw new WarrenError("not_found", `the network namespace ${removal.slot.namespace} is gone`);
    }
    return { slot: slotOf(removal.slot), removal };
  }

  /** What is needed to remove a slot that this process has made. */
  removal(number: number): Removal {
    return { slot: this.#plan.slot(number), inode: this.#claims.inode };
  }

  /** Removes slots that their owners still hold. Throws when something of them is left. */
  async remove(removals: readonly Removal[]): Promise<void> {
    const { stderr } = await runScript("Removing network slots", unlinkScript(removals));
    // Once no packet can begin them anew, and while the slots are still claimed: the connections are certainly those of
    // their last guests.
    await forgetConnections({
      sources: removals.map(({ slot }) => slot.peerIp),
      destinations: removals.map(({ slot }) => slot.hostIp),
    });
    await this.#release(removals);
    for (const { slot, inode } of removals) {
      if ((await this.#claims.get(slot.number))?.inode === inode) {
        throw new WarrenError("internal_error", `network slot ${slot.number} could not be removed: ${stderr.trim()}`);
      }
    }
  }

  /** Gives up the claims of slots of which nothing is left. */
  async #release(removals: readonly Removal[]): Promise<void> {
    // Nobody but a process that lives gives up its claims; those of another owner may be given up and taken meanwhile.
    const own = removals.filter(({ inode }) => inode === this.#claims.inode);
    const others = removals.filter(({ inode }) => inode !== this.#claims.inode);
    for (const { slot, inode } of own) {
      const held = (await this.#claims.get(slot.number))?.inode === inode;
      if (held && !exists(slot)) await this.#claims.drop(slot.number);
    }
    if (others.length > 0) await runScript("Releasing network slots", releaseScript(others));
    await retireHost(this.#claims);
  }

  /** Claims a number of which neither a claim nor anything else exists; undefined when there is none. */
  async #claimFree(): Promise<SlotAddresses | undefined> {
    for (let tries = 0; tries < this.#plan.highestSlot; tries++) {
      const slot = this.#plan.slot(this.#next);
      this.#next = (this.#next % this.#plan.highestSlot) + 1;
      if (!(await this.#claims.take(slot.number))) continue;
      // Exists without a claim only when somebody has emptied the directory of claims: a microVM may be using it.
      if (!exists(slot)) return slot;
      await this.#claims.drop(slot.number);
    }
    return undefined;
  }

  async #rollBack(slots: readonly SlotAddresses[], cause: unknown): Promise<void> {
    if (slots.length === 0) return;
    try {
      await this.remove(slots.map(({ number }) => this.removal(number)));
    } catch (error) {
      throw new WarrenError(
        "internal_error",
        `${messageOf(cause)}. It could not be undone either: ${messageOf(error)}`,
        {
          cause,
        },
      );
    }
  }
}

/** Removes the rules of the host once no pool is open and no slot is left. Whoever comes last finds that it is the last. */
export async function retireHost(claims: SlotClaims): Promise<void> {
  if (await claims.isLast()) await runScript("Removing the rules of the host", RETIRE_SCRIPT);
}

/** What is needed to remove a slot that somebody has claimed. */
export function removalOf({ number, owner, inode }: Claim): Removal {
  return { slot: new AddressPlan(owner.networks).slot(number), inode };
}

function slotOf(slot: SlotAddresses): Slot {
  return {
    number: slot.number,
    hostIp: slot.hostIp,
    attachment: { namespacePath: namespacePath(slot), tap: "tap0", mac: GUEST_NETWORK.mac },
  };
}

/** Whether anything of a slot is there. */
function exists(slot: SlotAddresses): boolean {
  return existsSync(namespacePath(slot)) || existsSync(`/proc/sys/net/ipv4/conf/${slot.veth}`);
}

function namespacePath({ namespace }: SlotAddresses): string {
  return `/run/netns/${namespace}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
