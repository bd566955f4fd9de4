import { type Static, Type } from "typebox";
import { Email, NewPassword, TeamId, Timestamp, UserId, UserName } from "./accounts.ts";

/** A team as administrators of the platform see it. */
export const AdminTeam = Type.Object(
  {
    id: TeamId,
    name: Type.String(),
    slug: Type.String(),
    is_byoc: Type.Boolean(),
    owner_email: Type.Optional(Type.String({ description: "Absent for a team that nobody has taken over yet" })),
    members: Type.Integer(),
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
    name: Type.String(),
    is_admin: Type.Boolean(),
    has_password: Type.Boolean(),
    created_at: Timestamp,
  },
  { title: "AdminUser" },
);
export type AdminUser = Static<typeof AdminUser>;

/** File in the data directory on which the operator's socket listens. */
export const OPERATOR_SOCKET = "operator.sock";

/** Request of the operator to make an account that administers the platform. */
export const CreateAdmin = Type.Object(
  { email: Email, name: UserName, password: NewPassword },
  { additionalProperties: false, title: "CreateAdmin" },
);
export type CreateAdmin = Static<typeof CreateAdmin>;

/** Request of the operator that names a user. */
export const NamedUser = Type.Object({ email: Email }, { additionalProperties: false, title: "NamedUser" });
export type NamedUser = Static<typeof NamedUser>;

/** Request of the operator to give a user a new password. */
export const ResetPassword = Type.Object(
  { email: Email, password: NewPassword },
  { additionalProperties: false, title: "ResetPassword" },
);
export type ResetPassword = Static<typeof ResetPassword>;
