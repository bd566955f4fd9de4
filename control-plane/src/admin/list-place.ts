/** Base-36 digits of microseconds since 1970. */
const TIME_DIGITS = 11;

/** The place of a row in a list by the time of its making, the newest first. */
export interface ListPlace {
  /** Microseconds since 1970: as exact as the database has times. */
  micros: number;
  id: string;
}

/** Writes a place as a text that clients hand back as it is; UUIDs lose their dashes. */
export function toCursor({ micros, id }: ListPlace): string {
  return micros.toString(36).padStart(TIME_DIGITS, "0") + id.replaceAll("-", "");
}

/** Reads what `toCursor` has written, of which the schema of the route has checked the form. */
export function fromCursor(cursor: string): ListPlace {
  const id = cursor.slice(TIME_DIGITS);
  const [, ...parts] = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/.exec(id) ?? [];
  return { micros: Number.parseInt(cursor.slice(0, TIME_DIGITS), 36), id: parts.length > 0 ? parts.join("-") : id };
}
