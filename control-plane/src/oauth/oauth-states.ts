import { createHmac, hash, randomBytes, timingSafeEqual } from "node:crypto";
import { sql } from "kysely";
import type { Db } from "../database/tables.ts";
import { deriveKey, type SigningKey, type SigningKeys } from "../signing-keys/signing-keys.ts";

/** Seconds from the start of a sign-in to the return from the provider. */
export const STATE_SECONDS = 600;
/** Rows in the past that one return removes. */
const PRUNED = 4;

/** Secrets of one sign-in. All but the state follow from it and a key of this platform, so nothing is stored for it. */
export interface StateSecrets {
  /** 16 random bytes in hex. */
  state: string;
  nonce: string;
  codeVerifier: string;
}

/** A state that came back. */
export interface AcceptedState extends StateSecrets {
  /** UUID of the session whose account is to be linked; absent = a sign-in. */
  sessionId?: string;
}

/** Whether a cookie says that a browser was sent to link an account; nothing of it is proven. */
export function isLinking(cookie: string | undefined): boolean {
  return (cookie?.split(":")[4] ?? "") !== "";
}

/**
 * Ties the return of a browser from a provider to its departure: the browser keeps a cookie with the state and a
 * HMAC-SHA256 over provider, state, time and the session that is to be linked, if any, and the provider sends the state back. Each state is accepted once.
 */
export class OAuthStates {
  readonly #db: Db;
  readonly #keys: SigningKeys;
  readonly #now: () => number;

  constructor(db: Db, keys: SigningKeys, now: () => number = Date.now) {
    this.#db = db;
    this.#keys = keys;
    this.#now = now;
  }

  /** Begins a sign-in, or the linking of a session's account: its secrets, and what the cookie holds. */
  async begin(provider: string, sessionId = ""): Promise<StateSecrets & { cookie: string }> {
    const key = await this.#keys.current();
    const state = randomBytes(16).toString("hex");
    const expires = Math.floor(this.#now() / 1000) + STATE_SECONDS;
    const cookie = [state, key.kid, expires, mac(key, provider, state, expires, sessionId), sessionId].join(":");
    return { ...secretsOf(key, state), cookie };
  }

  /** The secrets of the sign-in that comes back, or undefined for a forged, expired, foreign or used state. */
  async accept(
    provider: string,
    cookie: string | undefined,
    returned: string | undefined,
  ): Promise<AcceptedState | undefined> {
    const [state = "", kid = "", expires = "", signature = "", sessionId = ""] = cookie?.split(":") ?? [];
    if (!/^[0-9a-f]{32}$/.test(state) || !/^\d{1,12}$/.test(expires) || returned !== state) return undefined;
    const key = await this.#keys.find(kid);
    if (!key || !equal(mac(key, provider, state, Number(expires), sessionId), signature)) return undefined;
    if (Number(expires) <= this.#now() / 1000) return undefined;
    if (!(await this.#use(state))) return undefined;
    return { ...secretsOf(key, state), ...(sessionId === "" ? {} : { sessionId }) };
  }

  /** Notes that a state is used; false when it was before. */
  async #use(state: string): Promise<boolean> {
    const stateHash = hash("sha256", state);
    const { rows } = await sql`
      with pruned as (
        delete from oauth_used_states where state_hash in (
          select state_hash from oauth_used_states where expires_at < now() and state_hash <> ${stateHash}
          order by expires_at limit ${PRUNED} for update skip locked
        )
      )
      insert into oauth_used_states (state_hash, expires_at)
      values (${stateHash}, now() + ${STATE_SECONDS} * interval '1 second')
      on conflict (state_hash) do nothing returning state_hash
    `.execute(this.#db);
    return rows.length > 0;
  }
}

function mac(key: SigningKey, provider: string, state: string, expires: number, sessionId: string): string {
  const text = `${provider}\0${state}\0${expires}\0${sessionId}`;
  return createHmac("sha256", deriveKey(key, "oauth state")).update(text).digest("base64url");
}

function secretsOf(key: SigningKey, state: string): StateSecrets {
  const derive = (purpose: string) => createHmac("sha256", deriveKey(key, purpose)).update(state).digest("base64url");
  return { state, nonce: derive("oauth nonce"), codeVerifier: derive("oauth pkce") };
}

function equal(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
