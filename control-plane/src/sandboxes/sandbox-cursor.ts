/** The place of a sandbox in the order of a list. */
export interface SandboxPosition {
  /** When it was created, in microseconds since 1970: as exact as the database has times. */
  micros: number;
  id: string;
}

/** Base of the time in a cursor and its digits, of which the first is 0 or 1: until the year 2201. */
const BASE = 36;
const DIGITS = 11;

/** Writes a position as a text that clients hand back as it is. */
export function toCursor({ micros, id }: SandboxPosition): string {
  return `${micros.toString(BASE).padStart(DIGITS, "0")}${id}`;
}

/** Reads what `toCursor` has written; all that matches the pattern of cursors in contracts/src/rest/sandboxes.ts. */
export function fromCursor(cursor: string): SandboxPosition {
  return { micros: Number.parseInt(cursor.slice(0, DIGITS), BASE), id: cursor.slice(DIGITS) };
}
