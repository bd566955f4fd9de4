/** First and last day of a month, in UTC. */
export interface Month {
  from: string;
  to: string;
}

/** A month in the address of the page: `2026-11`. Dates take years before 100 for others. */
const MONTH = /^([1-9]\d{3})-(0[1-9]|1[0-2])$/;

/** Whether a text is a month that has begun. */
export function isMonth(value: string, now: Date): boolean {
  return MONTH.test(value) && value <= monthOf(now);
}

/** The month that an address names, else that of `now`. */
export function readMonth(value: string | null, now: Date): string {
  return value !== null && isMonth(value, now) ? value : monthOf(now);
}

export function monthOf(time: Date): string {
  return time.toISOString().slice(0, 7);
}

/** The month some months later, or earlier. */
export function shiftMonth(month: string, by: number): string {
  const [year, number] = month.split("-").map(Number) as [number, number];
  return monthOf(new Date(Date.UTC(year, number - 1 + by, 1)));
}

/** The days of a month up to `now`: what comes is not asked for. */
export function daysOf(month: string, now: Date): Month {
  const [year, number] = month.split("-").map(Number) as [number, number];
  const last = Math.min(Date.UTC(year, number, 0), now.getTime());
  return { from: `${month}-01`, to: new Date(last).toISOString().slice(0, 10) };
}

/** A month in words: November 2026. */
export function monthWords(month: string): string {
  const time = new Date(`${month}-01T00:00:00Z`);
  return time.toLocaleDateString("en", { month: "long", year: "numeric", timeZone: "UTC" });
}
