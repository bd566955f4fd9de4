import { WarrenError } from "@warren/contracts/errors";

/** Bytes of a base64 text (RFC 4648, section 4); throws `invalid_request` naming the field when it is none. */
export function decodeBase64(text: string, field: string): Buffer {
  if (text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)) return Buffer.from(text, "base64");
  throw new WarrenError("invalid_request", `${field} is not base64`);
}
