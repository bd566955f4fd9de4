import { type Static, Type } from "typebox";
import { TEAM_SLUG, TEAM_SLUG_WORDS } from "../identifiers.ts";
import { Email, EmailVerified, NewPassword, TeamId, Timestamp, UserId, UserName } from "./accounts.ts";

/**
 * What a user may be allowed on the whole platform. `teams`: see all teams, set their quotas and whether they bring their
 * own hosts; `users`: see all users and shut them out; `hosts`: see all hosts and manage those that teams share; `sandboxes`:
 * see the sandboxes of all teams, and nothing of what is in them.
 */
export const PLATFORM_PERMISSIONS = ["teams", "users", "hosts", "sandboxes"] as const;
export type PlatformPermission = (typeof PLATFORM_PERMISSIONS)[number];

/** A team as administrators of the platform see it. */
export const AdminTeam = Type.Object(
  {
    id: TeamId,
    name: Type.String(),
    slug: Type.String(),
    is_byoc: Type.Boolean(),
    owner_email: Type.Optional(Type.String({ description: "Absent for a team that nobody has taken over yet" })),
    members: Type.Integer(),
    sandboxes: Type.Integer({ description: "Sandboxes that are not ended" }),
    created_at: Timestamp,
    deleted_at: Type.Optional(Timestamp),
  },
  { title: "AdminTeam" },
);
export type AdminTeam = Static<typeof AdminTeam>;

/** Request to let a team run its sandboxes on hosts of its own. */
export const SetByoc = Type.Object({ is_byoc: Type.Boolean() }, { additionalProperties: false, title: "SetByoc" });
export type SetByoc = Static<typeof SetByoc>;

/** A user as administrators of the platform see them. */
export const AdminUser = Type.Object(
  {
    user_id: UserId,
    email: Type.String(),
    email_verified: EmailVerified,
    name: Type.String(),
    is_admin: Type.Boolean(),
    permissions: Type.Array(Type.Enum([...PLATFORM_PERMISSIONS])),
    has_password: Type.Boolean(),
    teams: Type.Integer({ description: "Live teams that the user is in" }),
    created_at: Timestamp,
    last_used_at: Type.Optional(
      Type.String({ format: "date-time", description: "Last use of a session that has not ended" }),
    ),
    deactivated_at: Type.Optional(
      Type.String({ format: "date-time", description: "Since when an administrator has shut the user out" }),
    ),
  },
  { title: "AdminUser" },
);
export type AdminUser = Static<typeof AdminUser>;

/** Path parameters of the routes of one user. */
export const UserParams = Type.Object({ id: UserId });

/** Request to change what a user may do on the platform. */
export const UpdateUser = Type.Object(
  {
    is_admin: Type.Optional(
      Type.Boolean({ description: "Whether the user administers the platform; no takes single rights too" }),
    ),
    deactivated: Type.Optional(
      Type.Boolean({
        description: "Whether the user is shut out: each route and stream answers `account_deactivated` at once",
      }),
    ),
  },
  { additionalProperties: false, minProperties: 1, title: "UpdateUser" },
);
export type UpdateUser = Static<typeof UpdateUser>;

/** File in the data directory on which the operator's socket listens. */
export const OPERATOR_SOCKET = "operator.sock";

/** Request of the operator to make an account that administers the platform. */
export const CreateAdmin = Type.Object(
  { email: Email, name: UserName, password: NewPassword },
  { additionalProperties: false, title: "CreateAdmin" },
);
export type CreateAdmin = Static<typeof CreateAdmin>;

/** A link to the page that makes the first account. */
export interface SetupLink {
  /** With the token in the fragment. */
  url: string;
  expires_at: string;
}

/** Request of the operator to let a user administer the platform, or a part of it, or no longer. */
export const SetAdmin = Type.Object(
  {
    email: Email,
    permission: Type.Optional(
      Type.Enum([...PLATFORM_PERMISSIONS], { description: "One right; absent = all of them, as `is_admin`" }),
    ),
  },
  { additionalProperties: false, title: "SetAdmin" },
);
export type SetAdmin = Static<typeof SetAdmin>;

/** Request of the operator to give a user a new password. */
export const ResetPassword = Type.Object(
  { email: Email, password: NewPassword },
  { additionalProperties: false, title: "ResetPassword" },
);
export type ResetPassword = Static<typeof ResetPassword>;

/** Request of the operator about one user. */
export const NameUser = Type.Object({ email: Email }, { additionalProperties: false, title: "NameUser" });
export type NameUser = Static<typeof NameUser>;

/** Path parameters of the operator's requests about one team. */
export const NameTeam = Type.Object({ slug: Type.String({ pattern: TEAM_SLUG.source, "x-words": TEAM_SLUG_WORDS }) });

/** Request of the operator for a new key that signs tokens. */
export const RotateKeys = Type.Object(
  { revoke: Type.Boolean({ description: "Whether the keys before end at once, and with them all sessions" }) },
  { additionalProperties: false, title: "RotateKeys" },
);
export type RotateKeys = Static<typeof RotateKeys>;
