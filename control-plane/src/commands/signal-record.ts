import { SIGNALS, type SignalName } from "@warren/contracts/signals";

const NAMES = new Map(Object.entries(SIGNALS).map(([name, number]) => [number as number, name as SignalName]));

/** Milliseconds within which signals of one kind are one event. */
const GATHER_MS = 1000;

/** So many signals of a kind. */
export interface Signalled {
  signal: SignalName;
  /** Absent = one. */
  times?: number;
}

/**
 * Records the signals that a client sends a command over its stream, of which it may send any number: what has come within a second
 * is an event for each kind of signal.
 */
export class SignalRecord {
  readonly #record: (pid: number, signalled: Signalled) => Promise<void>;
  readonly #counts = new Map<SignalName, number>();
  #pid: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Ends with what is being recorded. */
  #recording: Promise<unknown> = Promise.resolve();

  /** `record` never rejects. */
  constructor(record: (pid: number, signalled: Signalled) => Promise<void>) {
    this.#record = record;
  }

  /** The command is known: what it is sent can be told. */
  begin(pid: number): void {
    this.#pid = pid;
    if (this.#timer === undefined) this.#flush();
  }

  /** One was sent, by its number. */
  add(number: number): void {
    const signal = NAMES.get(number);
    if (signal === undefined) return;
    this.#counts.set(signal, (this.#counts.get(signal) ?? 0) + 1);
    if (this.#timer === undefined) this.#flush();
  }

  /** Resolves once all is recorded; no more comes. A command that was never known was sent nothing. */
  async end(): Promise<void> {
    this.#flush();
    clearTimeout(this.#timer);
    await this.#recording;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const pid = this.#pid;
    if (pid === undefined || this.#counts.size === 0) return;
    const recorded = [...this.#counts].map(([signal, times]) =>
      this.#record(pid, { signal, ...(times > 1 && { times }) }),
    );
    this.#counts.clear();
    this.#recording = Promise.all([this.#recording, ...recorded]);
    this.#timer = setTimeout(() => this.#flush(), GATHER_MS);
  }
}
