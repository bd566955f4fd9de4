import type { ApiKey } from "@warren/contracts/rest/api-keys";
import { toWireId } from "../identifiers/wire-id.ts";
import type { ApiKeyRow } from "./api-key-store.ts";

/** An API key as the members of its team see it. */
export function toApiKey(row: ApiKeyRow): ApiKey {
  return {
    id: toWireId("key", row.id),
    team_id: toWireId("team", row.team_id),
    name: row.name,
    key_prefix: row.key_prefix,
    scopes: row.scopes,
    ...(row.created_by === null ? {} : { created_by: toWireId("usr", row.created_by) }),
    ...(row.creator_email === null ? {} : { creator_email: row.creator_email }),
    created_at: row.created_at.toISOString(),
    ...(row.expires_at ? { expires_at: row.expires_at.toISOString() } : {}),
    ...(row.last_used ? { last_used: row.last_used.toISOString() } : {}),
  };
}
