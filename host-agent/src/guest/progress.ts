/** Looks at a transfer in the time for which a guest is waited for. */
const LOOKS = 10;

/** How far a transfer is. */
export interface Transfer {
  /** Bytes that have moved. */
  moved(): number;
  /** Whether it is the guest that has to do something next. */
  waiting(): boolean;
}

/**
 * Calls `giveUp` when fewer than `leastBytes` of a transfer have moved while the guest was waited for `limitMs`, and each
 * `limitMs` after that, until the returned function is called. What the other side takes its time for does not count.
 */
export function watchProgress(
  { moved, waiting }: Transfer,
  { limitMs, leastBytes }: { limitMs: number; leastBytes: number },
  giveUp: () => void,
): () => void {
  let before = moved();
  let waits = 0;
  const timer = setInterval(() => {
    if (waiting()) waits += 1;
    if (waits < LOOKS) return;
    const now = moved();
    if (now - before < leastBytes) giveUp();
    before = now;
    waits = 0;
  }, limitMs / LOOKS);
  timer.unref();
  return () => clearInterval(timer);
}
