import { type Static, Type } from "typebox";
import { wireIdPattern, wireIdWords } from "../identifiers.ts";
import { Timestamp } from "./accounts.ts";

const SessionId = Type.String({
  pattern: wireIdPattern("ses"),
  "x-words": wireIdWords("ses"),
  description: "Session id",
});

/** One of the sessions of a user. */
export const UserSession = Type.Object(
  {
    id: SessionId,
    current: Type.Boolean({ description: "Whether it is the session that asks" }),
    created_at: Timestamp,
    last_used_at: Type.String({ format: "date-time", description: "Written every few seconds" }),
    expires_at: Type.String({ format: "date-time", description: "When it ends by itself" }),
    user_agent: Type.Optional(
      Type.String({ description: "What the client said of itself at the log-in, of which nothing is checked" }),
    ),
    address: Type.Optional(Type.String({ description: "Address from which it was opened" })),
  },
  { title: "UserSession" },
);
export type UserSession = Static<typeof UserSession>;

/** Path parameters of one session. */
export const SessionParams = Type.Object({ id: SessionId });
