import { type Static, Type } from "typebox";
import { TEAM_NAME, TEAM_NAME_CHARACTERS, TEAM_SLUG } from "../identifiers.ts";
import { Email, EmailVerified, Role, TeamId, Timestamp, UserId } from "./accounts.ts";

const TEAM_NAME_WORDS = `1 to ${TEAM_NAME_CHARACTERS} letters a to z, digits, blanks and any of _ - @ '`;
const TeamName = Type.String({
  minLength: 1,
  maxLength: TEAM_NAME_CHARACTERS,
  pattern: TEAM_NAME.source,
  "x-words": TEAM_NAME_WORDS,
  description: TEAM_NAME_WORDS,
});

const team = {
  id: TeamId,
  name: Type.String(),
  slug: Type.String({ pattern: TEAM_SLUG.source, description: "Short name that never changes" }),
  is_byoc: Type.Boolean({ description: "Whether the team's sandboxes run on hosts of its own" }),
  api_keys_by_admins: Type.Boolean({ description: "Whether only the owner and admins may make and revoke API keys" }),
  audit_exec: Type.Boolean({
    description: "Whether the audit log tells of commands as they start in the team's sandboxes, with their arguments",
  }),
  created_at: Timestamp,
};

/** A team as all of its members see it. */
export const SharedTeam = Type.Object(team, { title: "SharedTeam" });
export type SharedTeam = Static<typeof SharedTeam>;

/** A team and the caller's role in it. */
export const Team = Type.Object({ ...team, role: Role }, { title: "Team" });
export type Team = Static<typeof Team>;

/** Request to make a team. */
export const CreateTeam = Type.Object({ name: TeamName }, { additionalProperties: false, title: "CreateTeam" });
export type CreateTeam = Static<typeof CreateTeam>;

/** Request to change a team. */
export const UpdateTeam = Type.Object(
  {
    name: Type.Optional(TeamName),
    api_keys_by_admins: Type.Optional(team.api_keys_by_admins),
    audit_exec: Type.Optional(team.audit_exec),
  },
  { additionalProperties: false, minProperties: 1, title: "UpdateTeam" },
);
export type UpdateTeam = Static<typeof UpdateTeam>;

/** A member of a team. */
export const Member = Type.Object(
  {
    user_id: UserId,
    name: Type.String(),
    email: Type.String(),
    email_verified: EmailVerified,
    role: Role,
    joined_at: Timestamp,
  },
  { title: "Member" },
);
export type Member = Static<typeof Member>;

/** A team with its members. */
export const TeamDetails = Type.Object({ team: Team, members: Type.Array(Member) }, { title: "TeamDetails" });
export type TeamDetails = Static<typeof TeamDetails>;

/** Request to add a user to a team. */
export const AddMember = Type.Object({ email: Email }, { additionalProperties: false, title: "AddMember" });
export type AddMember = Static<typeof AddMember>;

/** Request to change a member's role. Ownership is transferred, not assigned. */
export const SetRole = Type.Object(
  { role: Type.Enum(["admin", "member"]) },
  { additionalProperties: false, title: "SetRole" },
);
export type SetRole = Static<typeof SetRole>;

/** Request to make another member the owner; the owner before becomes an admin. */
export const TransferOwnership = Type.Object(
  { user_id: UserId },
  { additionalProperties: false, title: "TransferOwnership" },
);
export type TransferOwnership = Static<typeof TransferOwnership>;

/** Query of a member's removal. */
export const RemoveMember = Type.Object({
  revoke_api_keys: Type.Optional(
    Type.Boolean({ default: false, description: "Revoke also the team's API keys that the member made" }),
  ),
});

export const TeamParams = Type.Object({ id: TeamId });
export const MemberParams = Type.Object({ id: TeamId, user_id: UserId });
