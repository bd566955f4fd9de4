import { WarrenError } from "@warren/contracts/errors";
import type { Logger } from "pino";
import { AddressPlan, overlap, parseAddress, parseBlock, type SlotNetworks, VETH_PREFIX } from "./addresses.ts";
import { SlotClaims } from "./claims.ts";
import type { Slot, SlotPool, SlotTraffic } from "./network.ts";
import { checkRoutes } from "./routes.ts";
import { prepareHostScript, type Removal, runScript } from "./scripts.ts";
import { removalOf, retireHost, SlotBuilder } from "./slots.ts";
import { trafficOf } from "./traffic.ts";

/** Slots that are made or removed at a time. Bounds how long the machine-wide lock is held, and the length of a script. */
const BATCH = 8;

export interface SlotPoolOptions {
  /** Data directory of the host agent; says which slots are its own after a restart. */
  dataDirectory: string;
  logger: Logger;
  /** Slots kept ready, default 4. */
  spare?: number;
  /** Slots that will be asked for soon, default none: made at once, and not replaced when they are taken. */
  foreseen?: number;
  /** Slots that this host agent may have at a time, default as many as the networks hold. */
  capacity?: number;
  /** Address blocks of the slots, default 10.11.0.0/16 and 10.12.0.0/16. All host agents of a machine that use the same ones share them. */
  networks?: SlotNetworks;
  /** Name servers that guests may ask although their addresses may be private, default 8.8.8.8 and 8.8.4.4. IPv4. */
  dns?: readonly string[];
}

const DEFAULT_RESOLVERS = ["8.8.8.8", "8.8.4.4"];

/** Opens the pool of a host agent and begins to fill it. Needs root. Throws `conflict` when the host uses the networks otherwise. */
export async function createSlotPool(options: SlotPoolOptions): Promise<SlotPool> {
  const plan = new AddressPlan(options.networks);
  const resolvers = options.dns ?? DEFAULT_RESOLVERS;
  for (const resolver of resolvers) checkResolver(resolver);
  await checkRoutes(plan);
  const claims = await SlotClaims.open(options.dataDirectory, plan.networks);
  try {
    const { stdout } = await runScript("Preparing the host's network", prepareHostScript(plan.networks, resolvers));
    if (stdout !== "") options.logger.info(stdout.trim());
  } catch (error) {
    await claims.close();
    await retireHost(claims);
    throw error;
  }
  return new HostSlotPool(claims, new SlotBuilder(claims, plan, resolvers), {
    spare: options.spare ?? 4,
    foreseen: options.foreseen ?? 0,
    capacity: Math.min(options.capacity ?? plan.highestSlot, plan.highestSlot),
    logger: options.logger,
  });
}

function checkResolver(resolver: string): void {
  if (parseAddress(resolver) === undefined) {
    throw new WarrenError("invalid_request", `the name server "${resolver}" is no IPv4 address`);
  }
  if (overlap(parseBlock(resolver), parseBlock("127.0.0.0/8"))) {
    throw new WarrenError(
      "invalid_request",
      `the name server ${resolver} is a loopback address, which sandboxes cannot reach: name one on the network`,
    );
  }
}

interface SlotPoolLimits {
  spare: number;
  foreseen: number;
  capacity: number;
  logger: Logger;
}

/** Keeps slots ready. One batch is made at a time, and one removed. */
class HostSlotPool implements SlotPool {
  readonly #claims: SlotClaims;
  readonly #builder: SlotBuilder;
  readonly #limits: SlotPoolLimits;
  readonly #ready: Slot[] = [];
  /** Callers of `acquire` for whom no slot was ready, in their order. */
  readonly #waiters: PromiseWithResolvers<Slot>[] = [];
  readonly #inUse = new Map<number, Removal>();
  /** Slots on their way out, by number. */
  readonly #leaving = new Map<number, PromiseWithResolvers<void>>();
  #removals: Removal[] = [];
  /** Calls of `acquire` that are still foreseen. */
  #foreseen: number;
  #filling: Promise<void> | undefined;
  #removing = false;
  #closed = false;

  constructor(claims: SlotClaims, builder: SlotBuilder, limits: SlotPoolLimits) {
    this.#claims = claims;
    this.#builder = builder;
    this.#limits = limits;
    this.#foreseen = limits.foreseen;
    this.#fill();
  }

  async acquire(): Promise<Slot> {
    if (this.#closed) throw closedError();
    this.#foreseen = Math.max(0, this.#foreseen - 1);
    const ready = this.#ready.shift();
    if (ready) {
      this.#inUse.set(ready.number, this.#builder.removal(ready.number));
      this.#fill();
      return ready;
    }
    const waiter = Promise.withResolvers<Slot>();
    this.#waiters.push(waiter);
    this.#fill();
    return waiter.promise;
  }

  async adopt(number: number): Promise<Slot> {
    if (this.#inUse.has(number)) throw new WarrenError("conflict", `network slot ${number} is in use already`);
    const { slot, removal } = await this.#builder.find(number);
    this.#inUse.set(number, removal);
    return slot;
  }

  /** Resolves when nothing of the slot is left. A second call joins the first; one after a failure tries again. */
  async release(slot: Slot): Promise<void> {
    const removal = this.#inUse.get(slot.number);
    if (!removal) return this.#leaving.get(slot.number)?.promise;
    this.#inUse.delete(slot.number);
    try {
      await this.#remove(removal);
    } catch (error) {
      this.#inUse.set(slot.number, removal);
      throw error;
    }
  }

  traffic({ number }: Slot): SlotTraffic | undefined {
    return trafficOf(`${VETH_PREFIX}${number}`);
  }

  async sweep(used: ReadonlySet<number>): Promise<void> {
    const { owner, inode } = this.#claims;
    const former = (await this.#claims.list()).filter(
      (claim) =>
        claim.owner.dataDirectory === owner.dataDirectory &&
        claim.inode !== inode &&
        !used.has(claim.number) &&
        !this.#inUse.has(claim.number) &&
        !this.#leaving.has(claim.number),
    );
    const debris = [...former, ...(await this.#claims.orphans())];
    await this.#claims.forgetDeadOwners();
    await Promise.all(debris.map((claim) => this.#remove(removalOf(claim))));
  }

  count(): { used: number; ready: number } {
    return { used: this.#inUse.size, ready: this.#ready.length };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#rejectWaiters(closedError());
    await this.#filling;
    try {
      await Promise.all(this.#ready.splice(0).map(({ number }) => this.#remove(this.#builder.removal(number))));
      await Promise.all([...this.#leaving.values()].map(({ promise }) => promise));
    } finally {
      await this.#claims.close();
      await retireHost(this.#claims);
    }
  }

  #fill(): void {
    this.#filling ??= this.#fillUp();
  }

  async #fillUp(): Promise<void> {
    // Calls of the same turn go into one batch.
    await Promise.resolve();
    let succeeded = true;
    // Spare slots that could not be made are tried again by the next `acquire`, which fails when it finds none ready.
    for (let count = this.#wanted(succeeded); count > 0; count = this.#wanted(succeeded)) {
      succeeded = await this.#make(count);
    }
    // In the turn in which nothing more was wanted: no later call relies on this one.
    this.#filling = undefined;
  }

  /** How many slots to make next. Turns away who waits when there is no room for any. */
  #wanted(withSpare: boolean): number {
    if (this.#closed) return 0;
    const ahead = Math.max(this.#limits.spare, this.#foreseen);
    // Who waits is served before anything is made ahead of need.
    const wanted = this.#waiters.length || (withSpare ? ahead - this.#ready.length : 0);
    const free = this.#limits.capacity - this.#inUse.size - this.#ready.length - this.#leaving.size;
    if (free <= 0) this.#rejectWaiters(this.#fullError());
    return Math.min(wanted, free, BATCH);
  }

  /** Whether slots could be made. Who waits learns why not. */
  async #make(count: number): Promise<boolean> {
    try {
      this.#supply(await this.#builder.build(count));
      return true;
    } catch (error) {
      if (this.#waiters.length === 0) this.#limits.logger.warn({ err: error }, "no spare network slots could be made");
      this.#rejectWaiters(error);
      return false;
    }
  }

  #supply(slots: readonly Slot[]): void {
    for (const slot of slots) {
      const waiter = this.#waiters.shift();
      if (!waiter) {
        this.#ready.push(slot);
        continue;
      }
      this.#inUse.set(slot.number, this.#builder.removal(slot.number));
      waiter.resolve(slot);
    }
  }

  #rejectWaiters(error: unknown): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  #remove(removal: Removal): Promise<void> {
    const { number } = removal.slot;
    const leaving = this.#leaving.get(number) ?? Promise.withResolvers<void>();
    if (!this.#leaving.has(number)) {
      this.#leaving.set(number, leaving);
      this.#removals.push(removal);
      void this.#removeQueued();
    }
    return leaving.promise;
  }

  async #removeQueued(): Promise<void> {
    if (this.#removing) return;
    this.#removing = true;
    // Calls of the same turn go into one batch.
    await Promise.resolve();
    while (this.#removals.length > 0) {
      const batch = this.#removals.splice(0, BATCH);
      const outcome = await this.#builder.remove(batch).then(
        () => undefined,
        (error: unknown) => ({ error }),
      );
      for (const { slot } of batch) {
        const leaving = this.#leaving.get(slot.number);
        this.#leaving.delete(slot.number);
        if (outcome) leaving?.reject(outcome.error);
        else leaving?.resolve();
      }
    }
    this.#removing = false;
  }

  #fullError(): WarrenError {
    return new WarrenError(
      "host_full",
      `all ${this.#limits.capacity} network slots of this host agent are in use: stop a sandbox or raise the limit`,
    );
  }
}

function closedError(): WarrenError {
  return new WarrenError("host_unavailable", "the host agent is shutting down");
}
