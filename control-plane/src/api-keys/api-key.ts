import { hash, randomBytes } from "node:crypto";
import { API_KEY } from "@warren/contracts/identifiers";

/** Characters of a key that are kept for display. */
const DISPLAYED = 12;

/** Makes a new API key. */
export function generateApiKey(): string {
  return `warren_${randomBytes(20).toString("hex")}`;
}

/** SHA-256, in hex, of the digits of a key, which are the same secret under every prefix; undefined for malformed keys. */
export function hashApiKey(key: string): string | undefined {
  if (!API_KEY.test(key)) return undefined;
  return hash("sha256", key.slice(key.indexOf("_") + 1));
}

/** The part of a key that may be shown again. */
export function displayedPrefix(key: string): string {
  return key.slice(0, DISPLAYED);
}
