import { WarrenError } from "@warren/contracts/errors";
import { errors, jwtVerify, SignJWT } from "jose";
import { fromWireId, toWireId } from "../identifiers/wire-id.ts";
import { deriveKey, type SigningKeys } from "../signing-keys/signing-keys.ts";

const ISSUER = "warren";
/** Tokens of users have another audience, and another key. */
const AUDIENCE = "warren:host";
const KEY_PURPOSE = "host tokens";
/** How long a token lasts; signing keys are kept longer than that. */
const LIFETIME = "7 days";

/** What a token of a host says. */
export interface HostClaims {
  /** UUID. */
  hostId: string;
  /** Which of the host's registrations it belongs to. */
  registration: number;
}

/** Signs and verifies the tokens of hosts: JWTs with HS256, whose header names the key. */
export class HostJwts {
  readonly #keys: SigningKeys;

  constructor(keys: SigningKeys) {
    this.#keys = keys;
  }

  async sign({ hostId, registration }: HostClaims): Promise<string> {
    const key = await this.#keys.current();
    const id = toWireId("host", hostId);
    return new SignJWT({ typ: "host", host_id: id, registration })
      .setProtectedHeader({ alg: "HS256", typ: "JWT", kid: key.kid })
      .setSubject(id)
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setIssuedAt()
      .setExpirationTime(LIFETIME)
      .sign(deriveKey(key, KEY_PURPOSE));
  }

  /** Throws `unauthorized` for a token that this platform has not signed for a host, or that has expired. */
  async verify(token: string): Promise<HostClaims> {
    try {
      const { payload } = await jwtVerify(token, ({ kid }) => this.#secretOf(kid), {
        algorithms: ["HS256"],
        issuer: ISSUER,
        audience: AUDIENCE,
        requiredClaims: ["sub", "host_id", "registration", "exp"],
      });
      const { typ, host_id, registration } = payload;
      if (typ !== "host" || typeof host_id !== "string" || !Number.isInteger(registration)) throw invalidHostToken();
      return { hostId: fromWireId("host", host_id), registration: Number(registration) };
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof WarrenError) throw invalidHostToken();
      throw error;
    }
  }

  async #secretOf(kid: string | undefined): Promise<Uint8Array> {
    const key = kid === undefined ? undefined : await this.#keys.find(kid);
    if (!key) throw invalidHostToken();
    return deriveKey(key, KEY_PURPOSE);
  }
}

/** The one answer to every token of a host that is not valid. */
export function invalidHostToken(): WarrenError {
  return new WarrenError("unauthorized", "the token in X-Host-Token is not valid, or has expired; refresh it");
}
