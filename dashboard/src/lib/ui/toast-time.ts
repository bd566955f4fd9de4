/** Milliseconds in which a notice is seen, and those that one of its characters takes to be read: about 170 words in a minute. */
const NOTICED_MS = 3000;
const READ_MS = 70;
/** Most that is read of one. */
const MOST_MS = 30_000;
/** What went wrong is read twice: for what it says, and for what to do. */
const ERROR_FACTOR = 2;
const LEAST_MS = { info: 5000, error: 12_000 };

/** Milliseconds for which a notice stays, so that it can be read in peace. */
export function shownMs(kind: "info" | "error", text: string): number {
  const readMs = NOTICED_MS + text.length * READ_MS;
  return Math.min(MOST_MS, Math.max(LEAST_MS[kind], kind === "error" ? ERROR_FACTOR * readMs : readMs));
}
