import { setTimeout } from "node:timers/promises";
import type { Logger } from "pino";
import type { ProcessorState } from "../vmm/vmm.ts";
import type { Journal } from "./journal.ts";
import { reasonOf } from "./reason.ts";
import type { LiveParts, Sandbox } from "./sandbox.ts";

/** How long a guest that gave no answer is watched. */
export interface Watching {
  /** Looks at its vCPUs. */
  looks: number;
  /** Milliseconds from one look to the next. An instruction pointer announces nothing: it has to be looked at. */
  everyMs: number;
}

/** Ten seconds. A vCPU that runs programs a twentieth of its time is caught at that with a probability of 99.4 %. */
const WATCHING: Watching = { looks: 100, everyMs: 100 };

/**
 * Tells guests that have hung from those that are busy. It looks when a guest does not answer; such a guest has hung when
 * its agent still says nothing while a vCPU never runs a program and never rests: a kernel that is alive, whatever it is
 * loaded with, gives each runnable program its turn and answers.
 */
export class HangWatch {
  readonly #journal: Journal;
  readonly #log: Logger;
  readonly #watching: Watching;
  /** Sandboxes that are looked at, and what will be found. */
  readonly #looks = new Map<Sandbox, Promise<boolean>>();

  constructor({ journal, log }: { journal: Journal; log: Logger }, watching: Watching = WATCHING) {
    this.#journal = journal;
    this.#log = log;
    this.#watching = watching;
  }

  /** Looks whether the guest of a sandbox has hung; one that has says so from then on. Never rejects. */
  look(sandbox: Sandbox): Promise<boolean> {
    const { live } = sandbox;
    if (live === undefined) return Promise.resolve(false);
    const before = this.#looks.get(sandbox);
    if (before) return before;
    const look = this.#watch(sandbox, live)
      .catch((error: unknown) => {
        this.#log.warn({ sandbox: sandbox.id, err: error }, "a silent guest cannot be watched");
        return false;
      })
      .finally(() => this.#looks.delete(sandbox));
    this.#looks.set(sandbox, look);
    return look;
  }

  /** Takes note of whether a call into a sandbox was answered. */
  called(sandbox: Sandbox, answered: boolean): void {
    const hung = sandbox.record.reason?.code === "guest_hung";
    if (!answered && !hung) void this.look(sandbox);
    if (!answered || !hung || sandbox.live === undefined) return;
    this.#takeBack(sandbox, sandbox.live).catch((error: unknown) =>
      this.#log.warn({ sandbox: sandbox.id, err: error }, "a guest that answers again cannot be noted"),
    );
  }

  async #watch(sandbox: Sandbox, live: LiveParts): Promise<boolean> {
    const { looks, everyMs } = this.#watching;
    let answered = false;
    const answer = live.guest.health(looks * everyMs).then(
      () => {
        answered = true;
      },
      () => undefined,
    );
    const seen: ProcessorState[][] = [];
    while (seen.length < looks && !answered) {
      const processors = await this.#perform(sandbox, live, () => live.vm.processors());
      if (processors === undefined) return false;
      seen.push(processors);
      await setTimeout(everyMs);
    }
    await answer;
    if (answered) return false;
    if (!hasHung(seen)) {
      this.#log.info({ sandbox: sandbox.id, processors: lastLook(seen) }, "a silent guest is busy");
      return false;
    }
    await this.#perform(sandbox, live, async () => {
      const seconds = Math.round((looks * everyMs) / 1000);
      sandbox.record.reason = reasonOf(
        "guest_hung",
        `its kernel has made no progress for ${seconds} s; roll it back to its last pause, or destroy it`,
      );
      await this.#journal.write(sandbox.record);
      this.#log.warn({ sandbox: sandbox.id, processors: lastLook(seen) }, "a guest has hung");
    });
    return true;
  }

  async #takeBack(sandbox: Sandbox, live: LiveParts): Promise<void> {
    await this.#perform(sandbox, live, async () => {
      if (sandbox.record.reason?.code !== "guest_hung") return;
      delete sandbox.record.reason;
      await this.#journal.write(sandbox.record);
    });
  }

  /** Between the operations on a sandbox; undefined when it no longer runs with the same microVM. */
  #perform<T>(sandbox: Sandbox, live: LiveParts, work: () => Promise<T>): Promise<T | undefined> {
    return sandbox.lifecycle.perform("look", async () => {
      if (sandbox.status !== "running" || sandbox.live !== live) return undefined;
      return work();
    });
  }
}

/** Whether a vCPU was seen in the kernel in each of the looks, and never at rest. */
export function hasHung(looks: readonly ProcessorState[][]): boolean {
  const [first = []] = looks;
  return first.some((_, processor) =>
    looks.every((states) => {
      const state = states[processor];
      return state !== undefined && !state.halted && isKernelAddress(state.instructionPointer);
    }),
  );
}

/** Linux runs in the upper half of the addresses. */
function isKernelAddress(address: bigint): boolean {
  return address >> 63n === 1n;
}

function lastLook(looks: readonly ProcessorState[][]): string[] | undefined {
  return looks.at(-1)?.map(({ instructionPointer }) => `0x${instructionPointer.toString(16)}`);
}
