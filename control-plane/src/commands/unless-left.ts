/**
 * As `passed`, but what waits for a client does not hold a session: it fails with the reason of `over` once that aborts, and resolves
 * when the client has left.
 */
export function unlessLeft(passed: Promise<void>, over: AbortSignal, left: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onOver = () => reject(over.reason);
    const onLeft = () => resolve();
    if (over.aborted) onOver();
    else if (left.aborted) onLeft();
    over.addEventListener("abort", onOver, { once: true });
    left.addEventListener("abort", onLeft, { once: true });
    passed.then(resolve, reject).finally(() => {
      over.removeEventListener("abort", onOver);
      left.removeEventListener("abort", onLeft);
    });
  });
}
