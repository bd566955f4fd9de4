/** How far a transfer is. */
export interface Transfer {
  /** A number that changes with each piece that moves. */
  moved(): number;
  /** Whether it is the guest that has to do something next. */
  waiting(): boolean;
}

/**
 * Calls `giveUp` once a transfer has stood still for between one and two times `limitMs` while the guest was waited for, and
 * each `limitMs` after that, until the returned function is called.
 */
export function watchProgress({ moved, waiting }: Transfer, limitMs: number, giveUp: () => void): () => void {
  let last = moved();
  const timer = setInterval(() => {
    const now = moved();
    if (now === last && waiting()) giveUp();
    last = now;
  }, limitMs);
  timer.unref();
  return () => clearInterval(timer);
}
