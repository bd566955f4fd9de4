import { randomInt } from "node:crypto";

/** Base-32 digits of RFC 4648, in lower case. */
const DIGITS = "abcdefghijklmnopqrstuvwxyz234567";

/** Makes a sandbox id: `sb` and 100 random bits, no dash, so that it fits into a host name. */
export function newSandboxId(): string {
  return `sb${Array.from({ length: 20 }, () => DIGITS[randomInt(DIGITS.length)]).join("")}`;
}
