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
 * Tells guests that have hung from those that are busy. It begins with a call that had no answer. From then on the guest
 * has hung when its agent still says nothing while a vCPU never runs a program and never rests: a kernel that is alive, whatever
 * it is loaded with, gives each runnable program its turn and answers.
 */
export class HangWatch {
  readonly #journal: Journal;
  readonly #log: Logger;
  readonly #watching: Watching;
  readonly #watched = new WeakSet<Sandbox>();

  constructor({ journal, log }: { journal: Journal; log: Logger }, watching: Watching = WATCHING) {
    this.#journal = journal;
    this.#log = log;
    this.#watching = watching;
  }

  /** Takes note of whether a call into a sandbox was answered. */
  called(sandbox: Sandbox, answered: boolean): void {
    const { live } = sandbox;
    const hung = sandbox.record.reason?.code === "guest_hung";
    if (live === undefined || answered !== hung || this.#watched.has(sandbox)) return;
    this.#watched.add(sandbox);
    const work = answered ? this.#takeBack(sandbox, live) : this.#watch(sandbox, live);
    work
      .catch((error: unknown) =>
        this.#log.warn({ sandbox: sandbox.id, err: error }, "a silent guest cannot be watched"),
      )
      .finally(() => this.#watched.delete(sandbox));
  }

  async #watch(sandbox: Sandbox, live: LiveParts): Promise<void> {
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
      if (processors === undefined) return;
      seen.push(processors);
      await setTimeout(everyMs);
    }
    await answer;
    if (answered) return;
    if (!hasHung(seen)) {
      this.#log.info({ sandbox: sandbox.id, processors: lastLook(seen) }, "a silent guest is busy");
      return;
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
