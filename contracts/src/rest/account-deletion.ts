import { type Static, Type } from "typebox";
import { Password, Role, TeamId } from "./accounts.ts";

/** What becomes of a team when the account of a member is deleted. */
export const TEAM_OUTCOMES = ["deleted", "left", "blocks"] as const;
export type TeamOutcome = (typeof TEAM_OUTCOMES)[number];

/** What the deletion of one's account would do. */
export const DeletionPreview = Type.Object(
  {
    possible: Type.Boolean({ description: "Whether no team stands in the way" }),
    confirm_with: Type.Enum(["password", "recent_login"], {
      description:
        "What `DELETE /v1/me` asks for: the password of the account, or, when it has none, a session that was opened in the last 10 minutes",
    }),
    teams: Type.Array(
      Type.Object({
        team_id: TeamId,
        name: Type.String(),
        slug: Type.String(),
        role: Role,
        outcome: Type.Enum([...TEAM_OUTCOMES], {
          description:
            "`deleted`: nobody else is in it, so it goes with all it has. `left`: it goes on without the user. `blocks`: the user owns it and others are in it, so it must be transferred or deleted first",
        }),
        other_members: Type.Integer(),
        sandboxes: Type.Integer({ description: "Sandboxes that are not ended" }),
        templates: Type.Integer(),
        api_keys: Type.Integer(),
      }),
    ),
  },
  { title: "DeletionPreview" },
);
export type DeletionPreview = Static<typeof DeletionPreview>;

/** Request to delete one's account. */
export const DeleteMe = Type.Object(
  { password: Type.Optional(Type.String({ ...Password, description: "Required when the account has a password" })) },
  { additionalProperties: false, title: "DeleteMe" },
);
export type DeleteMe = Static<typeof DeleteMe>;
