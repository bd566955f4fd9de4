import type { IncomingHttpHeaders } from "node:http";
import { WarrenError } from "@warren/contracts/errors";
import { LRUCache } from "lru-cache";
import type { CredentialScheme } from "../auth/authenticator.ts";
import type { ApiKeyCaller } from "../auth/caller.ts";
import type { BatchedTimestamps } from "../database/batched-timestamps.ts";
import { hashApiKey } from "./api-key.ts";
import type { ApiKeyStore } from "./api-key-store.ts";

/**
 * Milliseconds for which a look-up is reused. A key that another control plane revokes, or whose team it deletes, works
 * here for at most this long.
 */
const CACHE_MS = 1000;
const CACHE_ENTRIES = 10_000;

/** The header `X-API-Key`. */
export class ApiKeyScheme implements CredentialScheme {
  readonly asks = "an X-API-Key header";
  readonly #lastUsed: BatchedTimestamps;
  readonly #callers: LRUCache<string, ApiKeyCaller>;

  constructor(store: ApiKeyStore, lastUsed: BatchedTimestamps) {
    this.#lastUsed = lastUsed;
    this.#callers = new LRUCache<string, ApiKeyCaller>({
      max: CACHE_ENTRIES,
      ttl: CACHE_MS,
      // Concurrent requests with one key share one query. Unknown keys are not kept.
      fetchMethod: (keyHash) => store.findCaller(keyHash),
    });
  }

  async authenticate(headers: IncomingHttpHeaders): Promise<ApiKeyCaller | undefined> {
    const key = headers["x-api-key"];
    if (key === undefined) return undefined;
    // The look-up compares hashes, so its timing tells nothing of the secret.
    const keyHash = typeof key === "string" ? hashApiKey(key) : undefined;
    const caller = keyHash === undefined ? undefined : await this.#callers.fetch(keyHash);
    if (!caller) throw new WarrenError("unauthorized", "the API key is not valid; it may have been revoked");
    this.#lastUsed.touch(caller.keyId);
    return caller;
  }

  /** Forgets what is cached for all keys of a team, or for everyone. Call it after revoking a key or deleting a team. */
  forget(teamId?: string): void {
    if (teamId === undefined) {
      this.#callers.clear();
      return;
    }
    for (const [keyHash, caller] of this.#callers.entries()) {
      if (caller.teamId === teamId) this.#callers.delete(keyHash);
    }
  }
}
