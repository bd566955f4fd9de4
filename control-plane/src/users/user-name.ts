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

/** A name as a provider gives it, made into one that can be stored. */
export function shortenUserName(text: string): string {
  const printable = text
    .normalize("NFC")
    .replace(/\p{Cc}/gu, " ")
    .trim();
  const name = [...printable].slice(0, LIMITS.userNameCharacters).join("").trim();
  return name === "" ? "?" : name;
}
