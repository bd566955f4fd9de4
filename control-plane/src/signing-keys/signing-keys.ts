import { createHash, hkdfSync } from "node:crypto";

/** A secret that signs tokens (HS256) and the name under which tokens refer to it. */
export interface SigningKey {
  kid: string;
  secret: Uint8Array;
}

/** The keys of all control planes on one database. */
export interface SigningKeys {
  /** The key that signs. */
  current(): Promise<SigningKey>;
  /** A key that verifies: the current one or one before it. */
  find(kid: string): Promise<SigningKey | undefined>;
}

/** Keys from the settings: the first signs. */
export class ConfiguredKeys implements SigningKeys {
  readonly #keys: [SigningKey, ...SigningKey[]];

  constructor(secrets: [string, ...string[]]) {
    const [first, ...rest] = secrets;
    this.#keys = [fromText(first), ...rest.map(fromText)];
  }

  async current(): Promise<SigningKey> {
    return this.#keys[0];
  }

  async find(kid: string): Promise<SigningKey | undefined> {
    return this.#keys.find((key) => key.kid === kid);
  }
}

/** A key for one purpose, from which neither the signing key nor the keys for other purposes can be found. */
export function deriveKey(key: SigningKey, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", key.secret, "", `warren ${purpose}`, 32));
}

/** The name of a configured secret is a hash, so that every control plane gives it the same one. */
function fromText(text: string): SigningKey {
  const secret = new TextEncoder().encode(text);
  const kid = createHash("sha256").update("warren signing key\0").update(secret).digest("hex").slice(0, 16);
  return { kid, secret };
}
