import type { LiveMicrovm } from "../state/microvm.ts";
import type { Sandbox } from "../state/sandbox.ts";

/** Milliseconds between two questions to one guest: a look takes it processor time, and its answer changes slowly. */
const ASK_MS = 30_000;
/** Guests that are asked at the same time: those that do not answer hold back the others only so far. */
const PARALLEL = 32;
const MIB = 1024 * 1024;

/** What the guests say that they have in use of their memory. No answer, or a senseless one, is no figure. */
export class GuestMemory {
  readonly #askMs: number;
  readonly #said = new WeakMap<LiveMicrovm, { askedAt: number; bytes?: number }>();
  #underWay = 0;

  /** `intervalMs`: between two rounds, in each of which a guest is asked once at most. */
  constructor(intervalMs: number) {
    this.#askMs = Math.max(intervalMs, ASK_MS);
  }

  /** What a guest has said last. */
  of(live: LiveMicrovm): { memoryBytes?: number } {
    const bytes = this.#said.get(live)?.bytes;
    return bytes === undefined ? {} : { memoryBytes: bytes };
  }

  /** Asks a guest that was not asked lately, and does not wait for it. */
  look(sandbox: Sandbox, live: LiveMicrovm): void {
    const now = performance.now();
    const said = this.#said.get(live);
    if (sandbox.status !== "running" || this.#underWay >= PARALLEL) return;
    if (said && now - said.askedAt < this.#askMs) return;
    this.#said.set(live, { ...said, askedAt: now });
    this.#underWay += 1;
    void this.#ask(sandbox.record.spec.memoryMb * MIB, live).finally(() => {
      this.#underWay -= 1;
    });
  }

  async #ask(most: number, live: LiveMicrovm): Promise<void> {
    const bytes = await live.guest.memoryInUse().catch(() => undefined);
    const askedAt = performance.now();
    const isSense = bytes !== undefined && bytes <= most;
    this.#said.set(live, isSense ? { askedAt, bytes } : { askedAt });
  }
}
