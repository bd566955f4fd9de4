import type { IncomingHttpHeaders } from "node:http";
import { WarrenError } from "@warren/contracts/errors";
import { type AccessChanges, concerns } from "../auth/access-changes.ts";
import type { CredentialScheme } from "../auth/authenticator.ts";
import { FreshCache } from "../auth/fresh-cache.ts";
import type { ApiKeyCaller } from "../callers/caller.ts";
import type { BatchedTimestamps } from "../database/batched-timestamps.ts";
import { hashApiKey } from "./api-key.ts";
import type { ApiKeyStore } from "./api-key-store.ts";

/** Milliseconds for which a key works here that another control plane has revoked, or whose team it has deleted. */
const MAX_AGE_MS = 1000;
const MAX_ENTRIES = 10_000;

/** The header `X-API-Key`. */
export class ApiKeyScheme implements CredentialScheme {
  readonly asks = "an X-API-Key header";
  readonly #store: ApiKeyStore;
  readonly #lastUsed: BatchedTimestamps;
  readonly #callers = new FreshCache<ApiKeyCaller>({ maxAgeMs: MAX_AGE_MS, maxEntries: MAX_ENTRIES });

  constructor(store: ApiKeyStore, lastUsed: BatchedTimestamps, changes: AccessChanges) {
    this.#store = store;
    this.#lastUsed = lastUsed;
    changes.subscribe((change) => this.#callers.forget(({ teamId }) => concerns(change, { teamId })));
  }

  async authenticate(headers: IncomingHttpHeaders): Promise<ApiKeyCaller | undefined> {
    const key = headers["x-api-key"];
    if (key === undefined) return undefined;
    // The look-up compares hashes, so its timing tells nothing of the secret.
    const keyHash = typeof key === "string" ? hashApiKey(key) : undefined;
    const caller = keyHash && (await this.#callers.get(keyHash, (hash) => this.#store.findCaller(hash)));
    if (!caller || (caller.expiresAt && caller.expiresAt.getTime() <= Date.now())) {
      throw new WarrenError("unauthorized", "the API key is not valid; it may have been revoked or have expired");
    }
    this.#lastUsed.touch(caller.keyId);
    return caller;
  }
}
