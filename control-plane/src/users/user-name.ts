import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";

/** A name as it is stored: trimmed, 1 to 100 characters, no control characters; throws `invalid_request` otherwise. */
export function parseUserName(text: string): string {
  const name = text.trim().normalize("NFC");
  const characters = [...name].length;
  if (characters < 1 || characters > LIMITS.userNameCharacters || /\p{Cc}/u.test(name)) {
    throw new WarrenError(
      "invalid_request",
      `body/name must have 1 to ${LIMITS.userNameCharacters} characters after trimming, and no control characters`,
    );
  }
  return name;
}
