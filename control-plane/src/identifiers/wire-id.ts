import { WarrenError } from "@warren/contracts/errors";
import type { WireIdPrefix } from "@warren/contracts/identifiers";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Base-36 digits that hold any 128-bit number. */
const DIGITS = 25;
const LIMIT = 1n << 128n;

/** Writes a UUID as a wire id, such as `team-` and 25 base-36 digits. */
export function toWireId(prefix: WireIdPrefix, uuid: string): string {
  if (!UUID.test(uuid)) throw new TypeError(`not a UUID: ${uuid}`);
  return `${prefix}-${BigInt(`0x${uuid.replaceAll("-", "")}`)
    .toString(36)
    .padStart(DIGITS, "0")}`;
}

/** Reads the UUID from a wire id of the given kind; throws `invalid_request`, or `not_found` for one that no UUID has. */
export function fromWireId(prefix: WireIdPrefix, id: string): string {
  const digits = id.startsWith(`${prefix}-`) ? id.slice(prefix.length + 1) : "";
  if (!/^[0-9a-z]{25}$/.test(digits)) throw malformed(prefix);
  let value = 0n;
  for (const digit of digits) value = value * 36n + BigInt(Number.parseInt(digit, 36));
  if (value >= LIMIT) throw new WarrenError("not_found", `there is no ${id}`);
  const hex = value.toString(16).padStart(32, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function malformed(prefix: WireIdPrefix): WarrenError {
  return new WarrenError("invalid_request", `the id must be "${prefix}-" and 25 lower-case letters and digits`);
}
