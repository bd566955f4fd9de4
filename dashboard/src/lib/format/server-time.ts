/** Milliseconds below which two clocks are the same: answers say the time by the second, and are under way for a while. */
const SAME_MS = 10_000;

let aheadMs = 0;

/** Takes note of the time by the server, as the Date header of an answer says it: the clock of a browser may be wrong by hours. */
export function noteServerTime(date: string | null): void {
  const ms = date === null ? Number.NaN : Date.parse(date) - Date.now();
  if (!Number.isNaN(ms)) aheadMs = Math.abs(ms) < SAME_MS ? 0 : ms;
}

/** The time by the server, in milliseconds since 1970. Times that it tells are compared with this one. */
export function serverNow(): number {
  return Date.now() + aheadMs;
}
