import { WarrenError } from "@warren/contracts/errors";
import { textOfMicros } from "../date-time.ts";

/** The place of an event in the order of events. */
export interface AuditPosition {
  /** Microseconds since 1970: as exact as the database has times. */
  micros: number;
  /** UUID of the event. */
  id: string;
}

/** Bytes of a time and of a UUID. */
const TIME_BYTES = 8;
const BYTES = TIME_BYTES + 16;

/** Writes a position as a text that clients hand back as it is. */
export function toCursor({ micros, id }: AuditPosition): string {
  const bytes = Buffer.alloc(BYTES);
  bytes.writeBigUInt64BE(BigInt(micros));
  bytes.write(id.replaceAll("-", ""), TIME_BYTES, "hex");
  return bytes.toString("base64url");
}

/** Reads what `toCursor` has written; throws `invalid_request` for anything else. */
export function fromCursor(cursor: string): AuditPosition {
  const bytes = Buffer.from(cursor, "base64url");
  if (bytes.length !== BYTES || bytes.toString("base64url") !== cursor) throw unknownCursor();
  const micros = bytes.readBigUInt64BE();
  if (micros > BigInt(Number.MAX_SAFE_INTEGER)) throw unknownCursor();
  const hex = bytes.toString("hex", TIME_BYTES);
  const id = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  return { micros: Number(micros), id };
}

/** The time of a position as a database reads it. */
export function timeOf({ micros }: AuditPosition): string {
  return textOfMicros(micros);
}

function unknownCursor(): WarrenError {
  return new WarrenError("invalid_request", "querystring/cursor is not the next_cursor of a page");
}
