import { WarrenError } from "@warren/contracts/errors";
import { EMAIL } from "@warren/contracts/identifiers";
import { LIMITS } from "@warren/contracts/limits";

/** The form in which addresses are stored and compared. */
export function normalizeEmail(text: string): string {
  // The database takes no NUL; another control character is in no address either.
  return text.replaceAll("\0", "\u0001").trim().normalize("NFC").toLowerCase();
}

/** The stored form of an address that somebody typed; throws `invalid_request` when it cannot be one. */
export function parseEmail(text: string): string {
  const email = normalizeEmail(text);
  if ([...email].length > LIMITS.emailCharacters || !EMAIL.test(email)) {
    throw new WarrenError("invalid_request", "body/email is not an e-mail address");
  }
  return email;
}
