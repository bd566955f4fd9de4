import { type Static, Type } from "typebox";
import { OAUTH_PROVIDER, OAUTH_PROVIDER_WORDS } from "../identifiers.ts";
import { Password, Timestamp } from "./accounts.ts";

/** A provider, and whether one's account is linked to it. */
export const LinkedProvider = Type.Object(
  {
    name: Type.String({ description: "Name in paths" }),
    label: Type.String({ description: "Name for people" }),
    available: Type.Boolean({ description: "Whether this server offers it at present" }),
    linked: Type.Boolean({ description: "Whether the account can be signed in to through it" }),
    email: Type.Optional(Type.String({ description: "Address that the provider named when it was linked" })),
    linked_at: Type.Optional(Timestamp),
  },
  { title: "LinkedProvider" },
);
export type LinkedProvider = Static<typeof LinkedProvider>;

/** Path parameters of the routes of one provider. */
export const ProviderParams = Type.Object({
  provider: Type.String({ pattern: OAUTH_PROVIDER.source, "x-words": OAUTH_PROVIDER_WORDS }),
});

/** Request to link one's account to a provider. */
export const ConnectProvider = Type.Object(
  { password: Type.Optional(Type.String({ ...Password, description: "Required when the account has a password" })) },
  { additionalProperties: false, title: "ConnectProvider" },
);

/** Where the browser goes to show who somebody is at a provider. */
export const ConnectUrl = Type.Object({ url: Type.String({ format: "uri" }) }, { title: "ConnectUrl" });
