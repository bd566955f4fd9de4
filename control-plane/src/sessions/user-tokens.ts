import { WarrenError } from "@warren/contracts/errors";
import type { TeamRole } from "@warren/contracts/rest/accounts";
import { errors, jwtVerify, SignJWT } from "jose";
import { fromWireId, toWireId } from "../identifiers/wire-id.ts";
import type { SigningKeys } from "../signing-keys/signing-keys.ts";

const ISSUER = "warren";
/** Tokens of other kinds, such as those of hosts, have other audiences. */
const AUDIENCE = "warren:user";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What a token of a user says. Everything but the three ids is a hint for clients; nothing is decided by it. */
export interface UserClaims {
  /** UUIDs. */
  sessionId: string;
  userId: string;
  teamId: string;
  role: TeamRole;
  email: string;
  name: string;
  isAdmin: boolean;
}

/** What is taken from a verified token. */
export interface UserTokenIds {
  sessionId: string;
  userId: string;
  teamId: string;
}

/** Signs and verifies the tokens of users: JWTs with HS256, whose header names the key. */
export class UserTokens {
  readonly #keys: SigningKeys;

  constructor(keys: SigningKeys) {
    this.#keys = keys;
  }

  async sign(claims: UserClaims, expiresAt: Date): Promise<string> {
    const { kid, secret } = await this.#keys.current();
    return new SignJWT({
      sid: claims.sessionId,
      team_id: toWireId("team", claims.teamId),
      role: claims.role,
      email: claims.email,
      name: claims.name,
      is_admin: claims.isAdmin,
    })
      .setProtectedHeader({ alg: "HS256", typ: "JWT", kid })
      .setSubject(toWireId("usr", claims.userId))
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setIssuedAt()
      .setExpirationTime(expiresAt)
      .sign(secret);
  }

  /**
   * Throws `unauthorized` for a token that this platform has not signed for a user, or that has expired; `evenExpired` lets
   * the latter pass, where the session is what counts.
   */
  async verify(token: string, { evenExpired = false } = {}): Promise<UserTokenIds> {
    try {
      const { payload } = await jwtVerify(token, async ({ kid }) => this.#secretOf(kid), {
        algorithms: ["HS256"],
        issuer: ISSUER,
        audience: AUDIENCE,
        requiredClaims: ["sub", "sid", "team_id", "exp"],
        ...(evenExpired ? { currentDate: new Date(0) } : {}),
      });
      const sessionId = String(payload.sid);
      if (!UUID.test(sessionId)) throw invalidToken();
      return {
        sessionId,
        userId: fromWireId("usr", String(payload.sub)),
        teamId: fromWireId("team", String(payload.team_id)),
      };
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw new WarrenError("unauthorized", "the session has ended; sign in");
      if (error instanceof errors.JOSEError || error instanceof WarrenError) throw invalidToken();
      throw error;
    }
  }

  async #secretOf(kid: string | undefined): Promise<Uint8Array> {
    const key = kid === undefined ? undefined : await this.#keys.find(kid);
    if (!key) throw invalidToken();
    return key.secret;
  }
}

/** The one answer to every token that is not valid. */
export function invalidToken(): WarrenError {
  return new WarrenError(
    "unauthorized",
    "the session token is not valid; sign in again (an API key goes into the X-API-Key header)",
  );
}
