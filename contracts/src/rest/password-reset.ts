import { type Static, Type } from "typebox";
import { LIMITS } from "../limits.ts";
import { LinkToken, NewPassword } from "./accounts.ts";

/** Request for a mail by which a new password can be set. An address that nobody can have is one that nobody has. */
export const RequestPasswordReset = Type.Object(
  { email: Type.String({ minLength: 3, maxLength: LIMITS.emailCharacters, description: "E-mail address" }) },
  { additionalProperties: false, title: "RequestPasswordReset" },
);
export type RequestPasswordReset = Static<typeof RequestPasswordReset>;

/** Request to set a new password with the token of a mail. */
export const ConfirmPasswordReset = Type.Object(
  { token: LinkToken, password: NewPassword },
  { additionalProperties: false, title: "ConfirmPasswordReset" },
);
export type ConfirmPasswordReset = Static<typeof ConfirmPasswordReset>;
