const [MINUTE, HOUR] = [60, 3600];

/** Seconds after each attempt at which the next one follows: about a day in all. */
export const RETRY_SEC: readonly number[] = [
  10,
  30,
  2 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  4 * HOUR,
  8 * HOUR,
  8 * HOUR,
];

/** Part of such a time by which it is longer or shorter by chance, so that what failed together does not come together. */
const JITTER = 0.2;

/** Seconds until the attempt after so many; undefined when there is none. `chance` is from 0 to 1. */
export function secondsToRetry(tries: number, schedule = RETRY_SEC, chance = Math.random()): number | undefined {
  const seconds = schedule[tries - 1];
  return seconds === undefined ? undefined : seconds * (1 - JITTER + 2 * JITTER * chance);
}
