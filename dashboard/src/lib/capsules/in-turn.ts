/**
 * Calls that one action on many capsules has under way at once: half of the connections that a browser has to a server, so that
 * the pages can ask for other things meanwhile.
 */
const AT_ONCE = 3;

/** Does something to each of some, a few at once. Gives what went wrong, by what it went wrong with. */
export async function inTurn<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<Map<T, unknown>> {
  const failures = new Map<T, unknown>();
  const waiting = items.values();
  const work = async () => {
    for (const item of waiting) {
      try {
        await act(item);
      } catch (error) {
        failures.set(item, error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, work));
  return failures;
}
