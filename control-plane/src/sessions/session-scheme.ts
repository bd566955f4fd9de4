import type { IncomingHttpHeaders } from "node:http";
import { type AccessChanges, concerns } from "../auth/access-changes.ts";
import type { CredentialScheme } from "../auth/authenticator.ts";
import { FreshCache } from "../auth/fresh-cache.ts";
import type { SignedInUser } from "../callers/caller.ts";
import type { BatchedTimestamps } from "../database/batched-timestamps.ts";
import type { SessionCookie } from "./session-cookie.ts";
import type { SessionStore } from "./session-store.ts";
import { invalidToken, type UserTokens } from "./user-tokens.ts";

/** Milliseconds for which a session works here that another control plane has ended, or whose user it has removed. */
const MAX_AGE_MS = 1000;
const MAX_ENTRIES = 10_000;

/** The header `Authorization: Bearer` with a session token, or the session cookie of a browser. */
export class SessionScheme implements CredentialScheme {
  readonly asks = "an Authorization header with a session token";
  readonly #tokens: UserTokens;
  readonly #store: SessionStore;
  readonly #cookie: SessionCookie;
  readonly #lastUsed: BatchedTimestamps;
  readonly #users = new FreshCache<SignedInUser>({ maxAgeMs: MAX_AGE_MS, maxEntries: MAX_ENTRIES });

  constructor(parts: {
    tokens: UserTokens;
    store: SessionStore;
    cookie: SessionCookie;
    lastUsed: BatchedTimestamps;
    changes: AccessChanges;
  }) {
    this.#tokens = parts.tokens;
    this.#store = parts.store;
    this.#cookie = parts.cookie;
    this.#lastUsed = parts.lastUsed;
    parts.changes.subscribe((change) => {
      this.#users.forget((user) => concerns(change, { ...user, teamId: user.team?.id }));
    });
  }

  async authenticate(headers: IncomingHttpHeaders): Promise<SignedInUser | undefined> {
    const user = await this.#find(headers, { evenExpired: false });
    if (user) this.#lastUsed.touch(user.sessionId);
    return user;
  }

  async reauthenticate(headers: IncomingHttpHeaders): Promise<SignedInUser | undefined> {
    return this.#find(headers, { evenExpired: true });
  }

  async #find(
    headers: IncomingHttpHeaders,
    { evenExpired }: { evenExpired: boolean },
  ): Promise<SignedInUser | undefined> {
    const token = this.#tokenOf(headers);
    if (token === undefined) return undefined;
    // What a token is worth that has expired is not to be found by its name alone.
    const key = evenExpired ? `${token} even expired` : token;
    const user = await this.#users.get(key, async () =>
      this.#store.findUser(await this.#tokens.verify(token, { evenExpired })),
    );
    if (!user) throw invalidToken();
    return user;
  }

  #tokenOf(headers: IncomingHttpHeaders): string | undefined {
    const { authorization } = headers;
    if (authorization === undefined) return this.#cookie.read(headers.cookie);
    const [, token] = /^bearer +([^\s]+) *$/i.exec(authorization) ?? [];
    if (token === undefined) throw invalidToken();
    return token;
  }
}
