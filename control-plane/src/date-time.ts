/** A time as JSON Schema has it, a `date-time` (RFC 3339, section 5.6); a blank may stand for the T. */
const DATE_TIME = /^(\d{4}-\d\d-\d\d)[t\s](\d\d:\d\d):(\d\d)(\.\d+)?(?:z|([+-]\d\d):?(\d\d)?)$/i;

/**
 * The moment of a text whose schema has the format `date-time`. A leap second, which Date does not know, is the second after
 * it, as in POSIX.
 */
export function momentOf(text: string): Date {
  const [, date, minute, second, fraction = "", hours = "+00", minutes = "00"] = DATE_TIME.exec(text) ?? [];
  const isLeap = second === "60";
  const moment = new Date(`${date}T${minute}:${isLeap ? "59" : second}${fraction}${hours}:${minutes}`);
  return isLeap ? new Date(moment.getTime() + 1000) : moment;
}

/** A time in microseconds since 1970, as exact as the database has times, as text that it reads. */
export function textOfMicros(micros: number): string {
  const milliseconds = Math.floor(micros / 1000);
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(micros % 1000).padStart(3, "0")}Z`;
}
