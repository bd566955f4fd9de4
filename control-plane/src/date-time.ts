/** A time as JSON Schema has it, a `date-time` (RFC 3339, section 5.6); a blank may stand for the T. */
const DATE_TIME = /^(\d{4}-\d\d-\d\d)[t\s](\d\d:\d\d):(\d\d)(\.\d+)?(?:z|([+-]\d\d):?(\d\d)?)$/i;

/** The first and the last moment of the years that RFC 3339 has and PostgreSQL reads, 1 to 9999 in UTC: milliseconds. */
const FIRST = Date.parse("0001-01-01T00:00:00Z");
const LAST = Date.parse("9999-12-31T23:59:59.999Z");

/**
 * The moment of a text whose schema has the format `date-time`. A leap second, which Date does not know, is the second after
 * it, as in POSIX. Moments that are not in the years 1 to 9999 of UTC are the nearest one that is.
 */
export function momentOf(text: string): Date {
  const [, date, minute, second, fraction = "", hours = "+00", minutes = "00"] = DATE_TIME.exec(text) ?? [];
  const isLeap = second === "60";
  const moment = new Date(`${date}T${minute}:${isLeap ? "59" : second}${fraction}${hours}:${minutes}`);
  return new Date(Math.min(Math.max(moment.getTime() + (isLeap ? 1000 : 0), FIRST), LAST));
}

/** A time that a host tells, in milliseconds since 1970, as RFC 3339 writes it; the nearest one that it can. */
export function textOfHostTime(milliseconds: bigint): string {
  return new Date(Math.min(Math.max(Number(milliseconds), FIRST), LAST)).toISOString();
}

/** A time in microseconds since 1970, as exact as the database has times, as text that it reads. */
export function textOfMicros(micros: number): string {
  const milliseconds = Math.floor(micros / 1000);
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(micros % 1000).padStart(3, "0")}Z`;
}
