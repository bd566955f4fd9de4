import { type ErrorCode, WarrenError } from "@warren/contracts/errors";

/** An operation that has ended, well or not. */
export interface EndedOperation {
  /** What it was, such as `pause`. */
  operation: string;
  outcome: "ok" | ErrorCode;
  /** Milliseconds from its beginning to its end. */
  ms: number;
  /** Milliseconds of each of its steps, in the order in which they began; the last one is where a failure came from. */
  steps: ReadonlyMap<string, number>;
  /** What else it found out about itself, such as how much it wrote. */
  figures: Readonly<Record<string, unknown>>;
}

/** Measures one operation and its steps. */
export class OperationTiming {
  readonly #operation: string;
  readonly #since = performance.now();
  readonly #steps = new Map<string, number>();
  #figures: Record<string, unknown> = {};

  constructor(operation: string) {
    this.#operation = operation;
  }

  /** Does a step of it, and measures that also when it fails. The times of a step that is done again add up. */
  async step<T>(name: string, work: () => Promise<T> | T): Promise<T> {
    const since = performance.now();
    this.#steps.set(name, this.#steps.get(name) ?? 0);
    try {
      return await work();
    } finally {
      this.#steps.set(name, (this.#steps.get(name) ?? 0) + performance.now() - since);
    }
  }

  /** Adds what it found out about itself. */
  note(figures: Record<string, unknown>): void {
    this.#figures = { ...this.#figures, ...figures };
  }

  /** It is over; `error` is why it failed. */
  end(error?: unknown): EndedOperation {
    return {
      operation: this.#operation,
      outcome: error === undefined ? "ok" : error instanceof WarrenError ? error.code : "internal_error",
      ms: performance.now() - this.#since,
      steps: this.#steps,
      figures: this.#figures,
    };
  }
}

/** Where lines about operations go. */
interface OperationLog {
  info(fields: object, message: string): void;
}

/** Writes the line of an operation that has ended, all times in milliseconds. `subject` says of what it was one. */
export function logOperation(
  log: OperationLog,
  { operation, outcome, ms, steps, figures }: EndedOperation,
  subject: Record<string, unknown>,
): void {
  const rounded = Object.fromEntries([...steps].map(([name, time]) => [name, tenths(time)]));
  log.info({ ...subject, operation, outcome, ms: tenths(ms), steps: rounded, ...figures }, "operation");
}

function tenths(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
