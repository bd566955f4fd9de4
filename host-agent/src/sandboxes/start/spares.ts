import type { SnapshotStore } from "../../snapshots/store.ts";
import type { DiskSpace } from "../capacity/disk-space.ts";
import type { Remover } from "../end/remover.ts";
import type { MicrovmRunner } from "../microvms/microvm-runner.ts";
import type { Journal } from "../record/journal.ts";
import type { SandboxRegistry } from "../state/registry.ts";
import type { Sandbox } from "../state/sandbox.ts";
import type { SandboxFactory } from "./sandbox-factory.ts";
import { WARM_UP, warmUp } from "./warm-up.ts";

export interface SparesParts {
  journal: Journal;
  snapshots: SnapshotStore;
  registry: SandboxRegistry;
  factory: SandboxFactory;
  microvms: MicrovmRunner;
  remover: Remover;
  space: DiskSpace;
}

/** Sandboxes for the warm pool, which decides how many there are. */
export class Spares {
  readonly #parts: SparesParts;

  constructor(parts: SparesParts) {
    this.#parts = parts;
  }

  /**
   * Makes one: restored, warmed up and suspended, so that it costs no processor time. Nothing is left of it when it fails
   * or `signal` aborts. `isAwaited`: see {@link #restore}.
   */
  async make(snapshot: string, signal: AbortSignal, isAwaited?: () => boolean): Promise<Sandbox> {
    const { snapshots, factory, remover } = this.#parts;
    signal.throwIfAborted();
    const sandbox = factory.makeUnclaimed("pool", snapshots.get(snapshot).shape);
    const { lifecycle } = sandbox;
    let removed: Promise<void> | undefined;
    const remove = () => (removed ??= lifecycle.perform("destroy", () => remover.remove(sandbox)));
    const giveUp = () => void remove().catch(() => undefined);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await lifecycle.perform("create", () => this.#restore(sandbox, snapshot, isAwaited));
      signal.throwIfAborted();
      return sandbox;
    } catch (error) {
      await remove();
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  async drop(sandbox: Sandbox): Promise<void> {
    await this.#parts.remover.remove(sandbox);
  }

  /**
   * One that somebody may ask for at any moment (`isAwaited`) is warmed up with the first command only, and not at all once
   * it is asked for. A destroy ends each wait for the guest.
   */
  async #restore(sandbox: Sandbox, snapshot: string, isAwaited?: () => boolean): Promise<void> {
    const { journal, registry, microvms, space } = this.#parts;
    const { lifecycle } = sandbox;
    const { destroySignal } = lifecycle;
    registry.admit(sandbox);
    await space.requireLeft();
    await lifecycle.step("journal", () => journal.create(sandbox.record));
    const { vm, guest } = await microvms.restore(sandbox, snapshot, isAwaited === undefined);
    const commands = isAwaited ? WARM_UP.slice(0, 1) : WARM_UP;
    if (!isAwaited?.()) await lifecycle.step("warm_up", () => warmUp(guest, commands, destroySignal));
    // Its agent rests too: what it is about to do by itself would be done when the sandbox is handed out.
    if (!isAwaited?.()) await lifecycle.step("freeze", () => guest.freeze(destroySignal));
    await vm.suspend();
  }
}
