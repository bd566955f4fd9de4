/** Milliseconds before the first of several starts in a row, which double, and the most of them. */
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
/** Starts in a row after which something is given up, and milliseconds that it must have run for them not to count. */
const MOST_STARTS = 8;
const STEADY_MS = 60_000;

/** What runs beside this process, and may end by itself. */
export interface Running {
  /** Resolves, with how, when it has ended. */
  readonly ended: Promise<string>;
}

/** How something is kept running. */
export interface Keeping<T extends Running> {
  /** What it is called in the log and in errors, such as "the embedded database". */
  name: string;
  /** Starts it again. */
  start(): Promise<T>;
  /** Ends it when `signal` aborts. */
  end(running: T): Promise<void>;
  signal: AbortSignal;
  /** Starts in a row after which it is given up; 0 = another start is of no use. Default 8. */
  mostStarts?: number;
  log: { error(values: object, message: string): void; warn(message: string): void };
}

/**
 * Starts something again whenever it ends by itself, each time later than before, until `signal` aborts. Throws when that
 * does not help: the error of the last start, or how it ended.
 */
export async function keepRunning<T extends Running>(first: T, keeping: Keeping<T>): Promise<void> {
  const { name, end, signal, log } = keeping;
  let starts = 0;
  for (let running: T | undefined = first; running; ) {
    const since = performance.now();
    const how: string | undefined = await unlessAborted(running.ended, signal);
    if (how === undefined) return end(running);
    log.error({}, `${name} ended ${how}`);
    if (performance.now() - since > STEADY_MS) starts = 0;
    [running, starts] = await startAgain(keeping, starts, how);
  }
}

/** What was started, undefined once the signal has aborted, and the starts in a row. */
async function startAgain<T extends Running>(
  { name, start, signal, mostStarts = MOST_STARTS, log }: Keeping<T>,
  startsBefore: number,
  how: string,
): Promise<[T | undefined, number]> {
  const often = startsBefore > 0 ? ` after ${startsBefore} starts in a row` : "";
  let failure: unknown = new Error(`${name} ended ${how}${often}`);
  for (let starts = startsBefore + 1; starts <= mostStarts; starts++) {
    await pause(Math.min(FIRST_DELAY_MS * 2 ** (starts - 1), LONGEST_DELAY_MS), signal);
    if (signal.aborted) return [undefined, starts];
    try {
      const running = await start();
      log.warn(`${name} runs again`);
      return [running, starts];
    } catch (error) {
      failure = error;
      log.error({ err: error }, `${name} could not be started again`);
    }
  }
  throw failure;
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  await unlessAborted(promise, signal);
  clearTimeout(timer);
}

/** What a promise comes to; undefined when the signal aborts before. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const onAbort = () => resolve(undefined);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", onAbort));
}
