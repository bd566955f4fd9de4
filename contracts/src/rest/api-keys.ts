import { type Static, Type } from "typebox";
import { API_KEY, wireIdPattern, wireIdWords } from "../identifiers.ts";
import { LIMITS } from "../limits.ts";
import { TeamId, Timestamp, UserId } from "./accounts.ts";

/**
 * What an API key may do. `read`: look at everything of the team that is not inside a sandbox; `sandboxes`: also use,
 * make and destroy sandboxes; `templates`: also make and delete templates.
 */
export const API_KEY_SCOPES = ["sandboxes", "templates", "read"] as const;
export type ApiKeyScope = (typeof API_KEY_SCOPES)[number];

/** What a key may do when its maker names nothing. */
export const DEFAULT_API_KEY_SCOPES: ApiKeyScope[] = ["sandboxes", "templates", "read"];

const Scopes = Type.Array(Type.Enum([...API_KEY_SCOPES]), {
  minItems: 1,
  uniqueItems: true,
  description: "What the key may do; every key may read",
});

/** Request to make an API key. */
export const CreateApiKey = Type.Object(
  {
    name: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: LIMITS.apiKeyNameCharacters,
        pattern: "^[^\\p{Cc}]*$",
        "x-words": "text without control characters",
        default: "Unnamed API Key",
        description: "No control characters",
      }),
    ),
    scopes: Type.Optional(Type.Array(Type.Enum([...API_KEY_SCOPES]), { minItems: 1, uniqueItems: true })),
    expires_at: Type.Optional(
      Type.String({ format: "date-time", description: "When the key ends by itself; absent = never" }),
    ),
  },
  { additionalProperties: false, title: "CreateApiKey" },
);
export type CreateApiKey = Static<typeof CreateApiKey>;

const apiKey = {
  id: Type.String({ pattern: wireIdPattern("key") }),
  team_id: TeamId,
  name: Type.String(),
  key_prefix: Type.String({ description: "First 12 characters of the key" }),
  scopes: Scopes,
  created_by: Type.Optional(UserId),
  creator_email: Type.Optional(Type.String({ description: "Absent for the key that the server made itself" })),
  created_at: Timestamp,
  expires_at: Type.Optional(Timestamp),
  last_used: Type.Optional(Timestamp),
};

/** An API key without its secret. */
export const ApiKey = Type.Object(apiKey, { title: "ApiKey" });
export type ApiKey = Static<typeof ApiKey>;

/** An API key that was just made. */
export const NewApiKey = Type.Object(
  { ...apiKey, key: Type.String({ pattern: API_KEY.source, description: "The secret; it is shown only here" }) },
  { title: "NewApiKey" },
);
export type NewApiKey = Static<typeof NewApiKey>;

export const ApiKeyParams = Type.Object({
  id: Type.String({ pattern: wireIdPattern("key"), "x-words": wireIdWords("key") }),
});
