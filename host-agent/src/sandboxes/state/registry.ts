import { WarrenError } from "@warren/contracts/errors";
import type { EndedOperation } from "@warren/server/operation-timing";
import { type CapacityLimits, requireRoom } from "../capacity/capacity.ts";
import { endedError } from "../record/reason.ts";
import { SandboxChanges } from "./changes.ts";
import type { Sandbox } from "./sandbox.ts";

/** All sandboxes of a host. */
export class SandboxRegistry {
  /** Those that belong to callers, as they change without a call. */
  readonly changes = new SandboxChanges();
  /** Told of each operation on any of them that took a step. */
  onOperation: (sandbox: Sandbox, ended: EndedOperation) => void = () => undefined;
  readonly #sandboxes = new Map<string, Sandbox>();
  /** Sandboxes that have no caller: for the warm pool, to make a built-in template of, or left by an earlier host agent. */
  readonly #unclaimed = new Set<Sandbox>();
  /** Sandboxes that have ended by themselves and were not destroyed since. They hold nothing on the host. */
  readonly #stopped = new Map<string, Sandbox>();
  /** Sandboxes that have yet to be told that there is room for them, and take none from the others until then. */
  readonly #waiting = new WeakSet<Sandbox>();
  readonly #limits: CapacityLimits;
  /** Bytes of memory that sandboxes share and that is no cache. */
  readonly #sharedMemory: () => number;

  constructor(limits: CapacityLimits, sharedMemory: () => number) {
    this.#limits = limits;
    this.#sharedMemory = sharedMemory;
  }

  /** Sandboxes that belong to callers. */
  list(): Sandbox[] {
    return [...this.#sandboxes.values()];
  }

  /** Those and the unclaimed ones. */
  all(): Sandbox[] {
    return [...this.#sandboxes.values(), ...this.#unclaimed];
  }

  /** Those that have ended by themselves. */
  stopped(): Sandbox[] {
    return [...this.#stopped.values()];
  }

  /** The sandbox with this id, stopped or not, or undefined. */
  find(id: string): Sandbox | undefined {
    return this.#sandboxes.get(id) ?? this.#stopped.get(id);
  }

  /** The sandbox with this id; throws `not_found`, or `invalid_state` when it has ended by itself. */
  get(id: string): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox) return sandbox;
    const reason = this.#stopped.get(id)?.record.reason;
    if (reason) throw endedError(id, reason);
    throw new WarrenError("not_found", `there is no sandbox ${id} on this host`);
  }

  /** Takes in a sandbox by its purpose; throws `already_exists` when a caller's sandbox has its id. */
  add(sandbox: Sandbox): void {
    const { lifecycle, record } = sandbox;
    lifecycle.onOperation = (ended) => this.onOperation(sandbox, ended);
    if (lifecycle.status === "starting" && record.purpose !== "template") this.#waiting.add(sandbox);
    if (record.purpose !== "sandbox") {
      this.#unclaimed.add(sandbox);
      return;
    }
    this.requireFree(sandbox.id);
    sandbox.onReason = () => this.changes.happened(sandbox.id);
    if (lifecycle.status === "stopped") {
      this.#stopped.set(sandbox.id, sandbox);
      return;
    }
    this.#sandboxes.set(sandbox.id, sandbox);
  }

  /** Takes in what is left of a sandbox that could not be cleared away, without a caller when another one has its id. */
  keep(sandbox: Sandbox): void {
    const other = this.find(sandbox.id);
    if (other === sandbox) return;
    if (other) this.#unclaimed.add(sandbox);
    else this.add(sandbox);
  }

  /** Throws `already_exists` when there is a sandbox with this id. */
  requireFree(id: string): void {
    if (this.find(id)) throw new WarrenError("already_exists", `there is a sandbox ${id} already`);
  }

  isUnclaimed(sandbox: Sandbox): boolean {
    return this.#unclaimed.has(sandbox);
  }

  remove(sandbox: Sandbox): void {
    this.#unclaimed.delete(sandbox);
    if (this.#stopped.get(sandbox.id) === sandbox) this.#stopped.delete(sandbox.id);
    if (this.#sandboxes.get(sandbox.id) === sandbox) this.#sandboxes.delete(sandbox.id);
  }

  /** Gives a sandbox the room that its microVM takes; throws `host_full` when it does not fit beside all others. */
  admit(sandbox: Sandbox): void {
    requireRoom(this.#limits, this.taken(sandbox), sandbox.record.spec.memoryMb);
    this.#waiting.delete(sandbox);
  }

  /** The room that microVMs take, but for that of one sandbox: their number, and MiB of memory. */
  taken(without?: Sandbox): { count: number; memoryMb: number } {
    const others = this.all().filter((other) => other !== without && this.#takesRoom(other));
    const sharedMb = Math.ceil(this.#sharedMemory() / 1024 ** 2);
    const memoryMb = others.reduce((sum, { record }) => sum + record.spec.memoryMb, sharedMb);
    return { count: others.length, memoryMb };
  }

  #takesRoom(sandbox: Sandbox): boolean {
    // A paused one takes room as long as its microVM has not gone.
    const hasMicrovm = sandbox.lifecycle.status !== "paused" || sandbox.record.slot !== undefined;
    return hasMicrovm && !this.#waiting.has(sandbox);
  }
}
