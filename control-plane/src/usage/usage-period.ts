import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";

const DAY_MS = 86_400_000;

/** Days in UTC, such as 2026-01-31, both of them included. */
export interface UsagePeriod {
  from: string;
  to: string;
}

/** The days that a query asks for at a time; throws `invalid_request` that names the field. */
export function periodOf(query: { from?: string | undefined; to?: string | undefined }, now: number): UsagePeriod {
  const to = query.to === undefined ? dayOf(now) : requireDay("to", query.to);
  const from = query.from === undefined ? `${to.slice(0, 8)}01` : requireDay("from", query.from);
  if (from > to) {
    throw new WarrenError("invalid_request", `querystring/from is ${from}, which is after the last day, ${to}`);
  }
  if ((Date.parse(to) - Date.parse(from)) / DAY_MS >= LIMITS.usageDays) {
    throw new WarrenError(
      "invalid_request",
      `querystring/from must be at most ${LIMITS.usageDays} days before the end`,
    );
  }
  return { from, to };
}

/** All days of a period. */
export function daysOf({ from, to }: UsagePeriod): string[] {
  const days: string[] = [];
  for (let at = Date.parse(from); at <= Date.parse(to); at += DAY_MS) days.push(dayOf(at));
  return days;
}

/** The month of a time, from its first day to its last. */
export function monthOf(at: number): UsagePeriod {
  const month = dayOf(at).slice(0, 7);
  const [year = 0, number = 0] = month.split("-").map(Number);
  return { from: `${month}-01`, to: dayOf(Date.UTC(year, number, 0)) };
}

/** When a time is over: the midnight after its last day, in milliseconds since the epoch. */
export function endOf({ to }: UsagePeriod): number {
  return Date.parse(to) + DAY_MS;
}

/** The day in UTC of a time in milliseconds since the epoch. */
export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

/** Whether a text is a day that there is. */
export function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) && dayOf(Date.parse(text)) === text;
}

function requireDay(field: string, text: string): string {
  if (isDay(text) && text >= "1970-01-01") return text;
  throw new WarrenError(
    "invalid_request",
    `querystring/${field} is ${text}, which is no day; write one like 2026-01-31`,
  );
}
