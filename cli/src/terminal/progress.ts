/** One step of a long preparation. */
export interface ProgressStep {
  step: string;
  detail?: string;
  /** From 0 to 1, when it is known. */
  fraction?: number;
}

/** Shows progress on standard error: one line that is rewritten on a terminal, one line per step elsewhere. */
export class ProgressDisplay {
  readonly #output: NodeJS.WriteStream;
  #lastStep: string | undefined;
  #drawn = false;

  constructor(output: NodeJS.WriteStream = process.stderr) {
    this.#output = output;
  }

  readonly show = (progress: ProgressStep): void => {
    const { step, detail, fraction } = progress;
    if (!this.#output.isTTY) {
      if (step !== this.#lastStep) this.#output.write(`warren: ${step}\n`);
      this.#lastStep = step;
      return;
    }
    if (step !== this.#lastStep) this.done();
    this.#lastStep = step;
    const percent = fraction === undefined ? "" : ` ${Math.floor(fraction * 100)} %`;
    const text = `warren: ${step}${percent}${detail ? ` ${detail}` : ""}`;
    // CSI K erases the rest of the line.
    this.#output.write(`\r${text.replaceAll(/\s+/g, " ").slice(0, this.#output.columns - 1)}\x1b[K`);
    this.#drawn = true;
  };

  /** Leaves the last line as it is and lets other text follow below it. */
  readonly done = (): void => {
    if (this.#drawn) this.#output.write("\n");
    this.#drawn = false;
  };
}
