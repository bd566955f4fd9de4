/** One step of a long preparation. */
export interface ProgressStep {
  step: string;
  detail?: string;
  /** From 0 to 1, when it is known. */
  fraction?: number;
}

/** Milliseconds that a step must last to be worth showing. */
const SHOWN_AFTER_MS = 700;

/** Milliseconds between two lines about the same step where lines cannot be rewritten. */
const LINE_EVERY_MS = 10_000;

/**
 * Shows progress on standard error: one line that is rewritten on a terminal; elsewhere a line per step, and another
 * every ten seconds for as long as there is news of it.
 */
export class ProgressDisplay {
  readonly #output: NodeJS.WriteStream;
  readonly #shownAfterMs: number;
  readonly #lineEveryMs: number;
  readonly #shown = new Set<string>();
  #current: ProgressStep | undefined;
  #timer: NodeJS.Timeout | undefined;
  #drawn = false;
  /** When the last line was written that cannot be rewritten, as performance.now() has it. */
  #writtenAt = 0;

  constructor(output: NodeJS.WriteStream = process.stderr, shownAfterMs = SHOWN_AFTER_MS, lineEveryMs = LINE_EVERY_MS) {
    this.#output = output;
    this.#shownAfterMs = shownAfterMs;
    this.#lineEveryMs = lineEveryMs;
  }

  readonly show = (progress: ProgressStep): void => {
    const another = progress.step !== this.#current?.step;
    this.#current = progress;
    if (this.#shown.has(progress.step)) this.#draw();
    else if (another) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#draw(), this.#shownAfterMs);
    }
  };

  /** Leaves the last line as it is and lets other text follow below it. */
  readonly done = (): void => {
    clearTimeout(this.#timer);
    if (this.#drawn) this.#output.write("\n");
    this.#drawn = false;
  };

  #draw(): void {
    const { step, detail, fraction } = this.#current!;
    const known = this.#shown.has(step);
    this.#shown.add(step);
    if (!this.#output.isTTY && !known) {
      this.#writtenAt = performance.now();
      this.#output.write(`warren: ${step}\n`);
      return;
    }
    const percent = fraction === undefined ? "" : ` ${Math.floor(fraction * 100)} %`;
    const text = `warren: ${step}${percent}${detail ? ` ${detail}` : ""}`.replaceAll(/\s+/g, " ");
    if (!this.#output.isTTY) {
      if (performance.now() - this.#writtenAt < this.#lineEveryMs) return;
      this.#writtenAt = performance.now();
      this.#output.write(`${text}\n`);
      return;
    }
    // CSI K erases the rest of the line.
    this.#output.write(`\r${text.slice(0, this.#output.columns - 1)}\x1b[K`);
    this.#drawn = true;
  }
}
