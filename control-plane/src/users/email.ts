import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";

/**
 * One @ between a local part without quotes (RFC 5321, section 4.1.2, dot-string; letters of any script as in RFC 6531)
 * and a domain of labels.
 */
const EMAIL =
  /^[^\s@\p{C}"(),:;<>[\]\\]{1,64}@[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]*[\p{L}\p{N}\p{M}])?(?:\.[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]*[\p{L}\p{N}\p{M}])?)*$/u;

/** The form in which addresses are stored and compared. */
export function normalizeEmail(text: string): string {
  return text.trim().normalize("NFC").toLowerCase();
}

/** The stored form of an address that somebody typed; throws `invalid_request` when it cannot be one. */
export function parseEmail(text: string): string {
  const email = normalizeEmail(text);
  if (email.length > LIMITS.emailCharacters || !EMAIL.test(email)) {
    throw new WarrenError("invalid_request", "body/email is not an e-mail address");
  }
  return email;
}
