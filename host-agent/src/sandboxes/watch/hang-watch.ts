import { setTimeout } from "node:timers/promises";
import type { Logger } from "pino";
import { hostLoad } from "../../guest/host-load.ts";
import { livenessLimits } from "../../guest/liveness.ts";
import type { ProcessorState } from "../../vmm/vmm.ts";
import type { Journal } from "../record/journal.ts";
import { lastLines, panicWords, quote, reasonOf, type SandboxReason, silentError } from "../record/reason.ts";
import { abortable } from "../start/abortable.ts";
import type { LiveMicrovm } from "../state/microvm.ts";
import type { Sandbox } from "../state/sandbox.ts";

/** How long a guest that gave no answer is watched. */
export interface Watching {
  /** Looks at its vCPUs. */
  looks: number;
  /** Milliseconds from one look to the next. An instruction pointer announces nothing: it has to be looked at. */
  everyMs: number;
  /** Milliseconds that its agent has to answer a question, and from then to the next, once its vCPUs were looked at. */
  askMs: number;
  /** Milliseconds of questions without an answer until its sandbox says so; more on a busy host, unless its vCPUs rest. */
  silentMs: number;
}

/** Milliseconds for which a guest that says again that its kernel panics is not looked at again for that. */
const PANIC_QUIET_MS = 10_000;

/** A vCPU that runs programs a twentieth of its time is caught at that with a probability of 99.4 %. */
const LOOKS = 100;
/** Silences of a guest that does nothing for which its vCPUs are looked at: ten seconds of fifteen. */
const LOOKING = 2 / 3;

/** For guests that may be silent for `silenceMs` while they do nothing. */
export function watchingOf(silenceMs: number): Watching {
  const { quietMs, busyMs } = livenessLimits(silenceMs);
  return { looks: LOOKS, everyMs: (silenceMs * LOOKING) / LOOKS, askMs: quietMs, silentMs: busyMs };
}

/** That the kernel of a guest said that it panics. */
interface PanicNote {
  /** Undefined once the guest has answered: it goes on, whatever printed them. */
  words: string | undefined;
  /** When its vCPUs were last looked at for it, by `performance.now()`. */
  lookedAt: number;
}

/** What a guest that gave no answer is found to do; undefined when it answers, or no longer runs. */
type Finding = "hangs" | "works" | "rests" | undefined;

/**
 * Tells guests that have hung from those that are busy. It looks when a guest does not answer; such a guest has hung when
 * its agent still says nothing while a vCPU never runs a program and never rests: a kernel that is alive, whatever it is
 * loaded with, gives each runnable program its turn and answers. A guest that has not hung is asked on: its agent may be
 * short of processor time, or stopped, cut off or dead in a way that the kernel survives, which nobody outside can tell
 * apart. After a while of silence the sandbox says that its agent does not answer, and nothing else happens to it.
 *
 * A kernel that panics and was told to stay says so on the console, where any program of the root user may say the same: the
 * words make the watch look at once, and name what is found, no more.
 */
export class HangWatch {
  readonly #journal: Pick<Journal, "write">;
  readonly #log: Logger;
  readonly #watching: Watching;
  /** Sandboxes that are looked at, and what will be found. */
  readonly #looks = new Map<Sandbox, Promise<Finding>>();
  /** MicroVMs whose guests are asked until they answer. */
  readonly #asked = new Set<LiveMicrovm>();
  readonly #panics = new WeakMap<LiveMicrovm, PanicNote>();
  /** Questions to guests that were found to have hung, on whose answers calls wait. */
  readonly #questions = new Map<LiveMicrovm, Promise<boolean>>();

  constructor({ journal, log }: { journal: Pick<Journal, "write">; log: Logger }, watching: Watching) {
    this.#journal = journal;
    this.#log = log;
    this.#watching = watching;
  }

  /** Looks whether the guest of a sandbox has hung; one that has says so from then on. Never rejects. */
  async hangs(sandbox: Sandbox): Promise<boolean> {
    return (await this.#look(sandbox)) === "hangs";
  }

  /**
   * The guest has printed a line on its console. When it says that the kernel panics, resolves with whether it was looked at
   * and has hung. Never rejects.
   */
  async printed(sandbox: Sandbox, line: string): Promise<boolean> {
    const { live } = sandbox;
    const words = panicWords(line);
    if (words === undefined || live === undefined) return false;
    const now = performance.now();
    const lookedAt = this.#panics.get(live)?.lookedAt;
    const looks = lookedAt === undefined || now - lookedAt >= PANIC_QUIET_MS;
    this.#panics.set(live, { words, lookedAt: looks ? now : lookedAt });
    return looks && this.hangs(sandbox);
  }

  /** Lets a call into a sandbox begin. Throws when its guest was found to have hung, and still does not answer. */
  async admit(sandbox: Sandbox): Promise<void> {
    const { id, live, record } = sandbox;
    const { reason } = record;
    if (live === undefined || !hasStopped(reason)) return;
    const before = this.#questions.get(live);
    const question = before ?? this.#answers(live).finally(() => this.#questions.delete(live));
    if (!before) this.#questions.set(live, question);
    if (!(await question)) throw silentError(id, reason);
    this.called(sandbox, true);
  }

  async #look(sandbox: Sandbox): Promise<Finding> {
    const { live } = sandbox;
    if (live === undefined) return undefined;
    const before = this.#looks.get(sandbox);
    if (before) return before;
    const look = this.#watch(sandbox, live)
      .catch((error: unknown) => {
        if (sandbox.lifecycle.destroySignal.aborted) return undefined;
        this.#log.warn({ sandbox: sandbox.id, err: error }, "a silent guest cannot be watched");
        return undefined;
      })
      .finally(() => this.#looks.delete(sandbox));
    this.#looks.set(sandbox, look);
    return look;
  }

  /** Takes note of whether a call into a sandbox was answered. */
  called(sandbox: Sandbox, answered: boolean): void {
    const { live, record } = sandbox;
    if (live !== undefined && answered) this.#forgetPanic(live);
    if (live === undefined || answered !== isSilence(record.reason)) return;
    const work = answered ? this.#takeBack(sandbox, live) : this.#follow(sandbox, live);
    work.catch((error: unknown) =>
      this.#log.warn({ sandbox: sandbox.id, err: error }, "whether a guest answers cannot be noted"),
    );
  }

  /**
   * Why a running sandbox is of no use to anybody; undefined when it is of use, also when its agent answers again that did
   * not. The caller owns the sandbox's life cycle at that moment.
   */
  async silenceOf({ live, record: { reason } }: Sandbox): Promise<SandboxReason | undefined> {
    if (!isSilence(reason)) return undefined;
    const answers = reason.code === "guest_unresponsive" && live !== undefined && (await this.#answers(live));
    return answers ? undefined : reason;
  }

  /** Asks a guest that gave no answer until it gives one, or its sandbox says that it does not. */
  async #follow(sandbox: Sandbox, live: LiveMicrovm): Promise<void> {
    if (this.#asked.has(live)) return;
    this.#asked.add(live);
    try {
      const { askMs, silentMs } = this.#watching;
      const since = performance.now();
      const found = await this.#look(sandbox);
      if (found === "hangs") return;
      while (sandbox.live === live && sandbox.status === "running" && !(await this.#answers(live))) {
        const askedMs = performance.now() - since;
        // What has nothing to do waits for no processor.
        if (askedMs >= silentMs * (found === "rests" ? 1 : hostLoad()))
          return await this.#noteSilence(sandbox, live, askedMs);
        await setTimeout(askMs, undefined, { ref: false });
      }
    } finally {
      this.#asked.delete(live);
    }
  }

  async #watch(sandbox: Sandbox, live: LiveMicrovm): Promise<Finding> {
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
      // A VMM that answers nothing may not keep its sandbox from being destroyed.
      const look = () => abortable(live.vm.processors(), sandbox.lifecycle.destroySignal);
      const processors = await this.#perform(sandbox, live, look);
      if (processors === undefined) return undefined;
      seen.push(processors);
      await setTimeout(everyMs);
    }
    await answer;
    if (answered) this.#forgetPanic(live);
    if (answered) return undefined;
    if (!hasHung(seen)) {
      this.#forgetPanic(live);
      const rests = seen.every((states) => states.every(({ halted }) => halted));
      const finding = rests ? "a silent guest rests" : "a silent guest is busy";
      this.#log.info({ sandbox: sandbox.id, processors: lastLook(seen) }, finding);
      return rests ? "rests" : "works";
    }
    await this.#noteHang(sandbox, live, Math.round((looks * everyMs) / 1000));
    this.#log.warn({ sandbox: sandbox.id, processors: lastLook(seen) }, "a guest has hung");
    return "hangs";
  }

  /** Says why the guest will not answer, and ends the calls that wait for it. */
  async #noteHang(sandbox: Sandbox, live: LiveMicrovm, seconds: number): Promise<void> {
    const panic = this.#panics.get(live)?.words;
    const what = panic === undefined ? `has made no progress for ${seconds} s` : `panicked: ${quote(panic)}`;
    const message = `its kernel ${what}; roll it back to its last pause, or destroy it`;
    const reason =
      panic === undefined
        ? reasonOf("guest_hung", message)
        : reasonOf("guest_panicked", message, lastLines(live.vm.consoleTail()));
    const noted = await this.#note(sandbox, live, reason);
    if (noted) sandbox.interrupt(silentError(sandbox.id, reason));
  }

  #forgetPanic(live: LiveMicrovm): void {
    const note = this.#panics.get(live);
    if (note) note.words = undefined;
  }

  #answers({ guest }: LiveMicrovm): Promise<boolean> {
    return guest.health(this.#watching.askMs).then(
      () => true,
      () => false,
    );
  }

  async #noteSilence(sandbox: Sandbox, live: LiveMicrovm, silentMs: number): Promise<void> {
    const seconds = Math.round(silentMs / 1000);
    const message = `the agent in it has not answered for ${seconds} s: it is stopped, cut off, or gets no turn; wait if it is busy, else roll it back to its last pause or destroy it`;
    await this.#note(sandbox, live, reasonOf("guest_unresponsive", message));
    this.#log.warn({ sandbox: sandbox.id, seconds }, "the agent of a guest does not answer");
  }

  /** Returns whether the sandbox runs as before, and says so now. */
  async #note(sandbox: Sandbox, live: LiveMicrovm, reason: SandboxReason): Promise<boolean> {
    const noted = await this.#perform(sandbox, live, async () => {
      sandbox.record.reason = reason;
      await this.#journal.write(sandbox.record);
      return true;
    });
    return noted ?? false;
  }

  async #takeBack(sandbox: Sandbox, live: LiveMicrovm): Promise<void> {
    await this.#perform(sandbox, live, async () => {
      if (!isSilence(sandbox.record.reason)) return;
      delete sandbox.record.reason;
      await this.#journal.write(sandbox.record);
    });
  }

  /** Between the operations on a sandbox; undefined when it no longer runs with the same microVM. */
  #perform<T>(sandbox: Sandbox, live: LiveMicrovm, work: () => Promise<T>): Promise<T | undefined> {
    return sandbox.lifecycle.perform("look", async () => {
      if (sandbox.status !== "running" || sandbox.live !== live) return undefined;
      return work();
    });
  }
}

/** Whether a reason is that of a guest that does not answer, and goes away when it does. */
function isSilence(reason: SandboxReason | undefined): reason is SandboxReason {
  return reason?.code === "guest_unresponsive" || hasStopped(reason);
}

/** Whether a reason of a sandbox that runs is that its kernel was found to do nothing any more. */
function hasStopped(reason: SandboxReason | undefined): reason is SandboxReason {
  return reason?.code === "guest_hung" || reason?.code === "guest_panicked";
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
