import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import { type CreateApiKey, DEFAULT_API_KEY_SCOPES } from "@warren/contracts/rest/api-keys";
import type { TeamEvents } from "../audit/team-events.ts";
import type { AccessChanges } from "../auth/access-changes.ts";
import type { UserCaller } from "../callers/caller.ts";
import { momentOf } from "../date-time.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import { requirePermission } from "../teams/permissions.ts";
import type { TeamService, TeamWithRole } from "../teams/team-service.ts";
import { generateApiKey } from "./api-key.ts";
import type { ApiKeyRow, ApiKeyStore } from "./api-key-store.ts";

/** What the service needs. */
export interface ApiKeyServiceParts {
  store: ApiKeyStore;
  teams: TeamService;
  limiter: RateLimiter;
  changes: AccessChanges;
  audit: TeamEvents;
}

/** The API keys of a team. */
export class ApiKeyService {
  readonly #parts: ApiKeyServiceParts;

  constructor(parts: ApiKeyServiceParts) {
    this.#parts = parts;
  }

  /** Makes a key of the caller's team; the only time that its secret is known. */
  async create(caller: UserCaller, request: CreateApiKey): Promise<{ row: ApiKeyRow; key: string }> {
    const { store, teams, limiter, audit } = this.#parts;
    const expiresAt = request.expires_at === undefined ? undefined : momentOf(request.expires_at);
    if (expiresAt && expiresAt.getTime() <= Date.now()) {
      throw new WarrenError("conflict", "body/expires_at is over already; it must be in the future");
    }
    await limiter.take("create API keys as", caller.userId, RATES.createApiKey.account);
    const key = generateApiKey();
    const row = await teams.withTeam(caller, "view", async (transaction, team) => {
      requireKeyManagement(team);
      if ((await store.countLive(caller.teamId, transaction)) >= LIMITS.apiKeys) {
        throw new WarrenError(
          "quota_exceeded",
          `the team has ${LIMITS.apiKeys} API keys, which is the most; revoke some`,
        );
      }
      const id = await store.insert(
        {
          teamId: caller.teamId,
          name: request.name?.trim() || "Unnamed API Key",
          key,
          createdBy: caller.userId,
          scopes: request.scopes ?? DEFAULT_API_KEY_SCOPES,
          ...(expiresAt ? { expiresAt } : {}),
        },
        transaction,
      );
      const made = (await store.find(caller.teamId, id, transaction))!;
      await audit.apiKeyCreated(transaction, caller, id, {
        name: made.name,
        scopes: made.scopes,
        ...(made.expires_at && { expires_at: made.expires_at.toISOString() }),
      });
      return made;
    });
    return { row, key };
  }

  /** Keys of the caller's team, newest first. */
  list(caller: UserCaller): Promise<ApiKeyRow[]> {
    return this.#parts.store.list(caller.teamId);
  }

  /** Revokes a key of the caller's team at once; throws `not_found` when the team has no such key. */
  async revoke(caller: UserCaller, id: string): Promise<void> {
    const { store, teams, changes, audit } = this.#parts;
    await teams.withTeam(caller, "view", async (transaction, team) => {
      requireKeyManagement(team);
      const name = await store.delete(caller.teamId, id, transaction);
      if (name === undefined) throw new WarrenError("not_found", "the team has no such API key");
      await audit.apiKeyRevoked(transaction, caller, id, { name });
    });
    changes.announce({ teamId: caller.teamId });
  }
}

function requireKeyManagement(team: TeamWithRole): void {
  if (team.api_keys_by_admins) requirePermission(team.role, "manageRestrictedApiKeys");
}
