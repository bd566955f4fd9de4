import { type Static, Type } from "typebox";
import { EMAIL, wireIdPattern, wireIdWords } from "../identifiers.ts";
import { LIMITS } from "../limits.ts";

/** Roles in a team, the most powerful first. A team has exactly one owner. */
export const ROLES = ["owner", "admin", "member"] as const;
export type TeamRole = (typeof ROLES)[number];

export const UserId = Type.String({
  pattern: wireIdPattern("usr"),
  "x-words": wireIdWords("usr"),
  description: "User id",
});
export const TeamId = Type.String({
  pattern: wireIdPattern("team"),
  "x-words": wireIdWords("team"),
  description: "Team id",
});
export const Role = Type.Enum([...ROLES], { description: "Role in the team" });
export const Timestamp = Type.String({ format: "date-time" });

/** An address to look a user up by; what is stored is trimmed and in lower case. */
export const Email = Type.String({
  minLength: 3,
  maxLength: LIMITS.emailCharacters,
  pattern: EMAIL.source.replace("^", "^\\s*").replace(/\$$/, "\\s*$"),
  "x-words": "an e-mail address",
  examples: ["ada@example.org"],
  description: "E-mail address; case and surrounding blanks do not matter",
});

/** A password to be set. */
export const NewPassword = Type.String({
  minLength: LIMITS.password.minCharacters,
  "x-max-bytes": LIMITS.password.maxBytes,
  description: `At least ${LIMITS.password.minCharacters} characters, at most ${LIMITS.password.maxBytes} bytes`,
});

/** A password to be compared, of any length that somebody could have typed. */
export const Password = Type.String({ minLength: 1, maxLength: 1024 });

const USER_NAME_WORDS = `1 to ${LIMITS.userNameCharacters} characters after trimming, no control characters`;
export const UserName = Type.String({
  minLength: 1,
  maxLength: 2 * LIMITS.userNameCharacters,
  pattern: `^\\s*[^\\s\\p{Cc}](?:[^\\p{Cc}]{0,${LIMITS.userNameCharacters - 2}}[^\\s\\p{Cc}])?\\s*$`,
  "x-words": USER_NAME_WORDS,
  examples: ["Ada Lovelace"],
  description: USER_NAME_WORDS,
});

/** Whether a provider, or a mail that was answered, has shown that an address is its user's. */
export const EmailVerified = Type.Boolean({
  description: "Whether it was shown that the address is the user's, by a provider or a mail",
});

const Cookie = Type.Optional(
  Type.Boolean({
    default: false,
    description:
      "For browsers: put the session into an HttpOnly cookie and leave `token` out of the answer, so that no script can read it",
  }),
);

/** Request to make an account. */
export const SignUp = Type.Object(
  { email: Email, password: NewPassword, name: UserName, cookie: Cookie },
  { additionalProperties: false, title: "SignUp" },
);
export type SignUp = Static<typeof SignUp>;

/** Token of a link that works once. */
export const LinkToken = Type.String({
  pattern: "^[A-Za-z0-9_-]{43}$",
  "x-words": "the token of the link: 43 letters, digits, _ and -",
  description: "Token of the link",
});

/** Request to make the first account of a server, which administers it. */
export const SetUp = Type.Object(
  { token: LinkToken, email: Email, password: NewPassword, name: UserName, cookie: Cookie },
  { additionalProperties: false, title: "SetUp" },
);
export type SetUp = Static<typeof SetUp>;

/** Request to sign in. An address that nobody can have is answered as one that nobody has. */
export const LogIn = Type.Object(
  {
    email: Type.String({ minLength: 3, maxLength: LIMITS.emailCharacters, description: "E-mail address" }),
    password: Password,
    cookie: Cookie,
  },
  { additionalProperties: false, title: "LogIn" },
);
export type LogIn = Static<typeof LogIn>;

/** Request to act for another team. */
export const SwitchTeam = Type.Object({ team_id: TeamId }, { additionalProperties: false, title: "SwitchTeam" });
export type SwitchTeam = Static<typeof SwitchTeam>;

/** A session that was made or renewed. */
export const AuthResponse = Type.Object(
  {
    token: Type.Optional(
      Type.String({ description: "Session token for `Authorization: Bearer`; absent when a cookie holds the session" }),
    ),
    expires_at: Type.String({ format: "date-time", description: "When the session ends by itself" }),
    user_id: UserId,
    team_id: TeamId,
    role: Role,
    email: Type.String(),
    name: Type.String(),
    is_admin: Type.Boolean({ description: "Whether the user is an administrator of the platform" }),
  },
  { title: "AuthResponse" },
);
export type AuthResponse = Static<typeof AuthResponse>;

/** The signed-in user and the team of the session. */
export const Me = Type.Object(
  {
    user_id: UserId,
    email: Type.String(),
    email_verified: EmailVerified,
    name: Type.String(),
    is_admin: Type.Boolean({ description: "Whether the user is an administrator of the platform" }),
    has_password: Type.Boolean({ description: "Whether the account can sign in with a password" }),
    providers: Type.Array(Type.String(), { description: "OAuth providers through which the account can sign in" }),
    team: Type.Optional(
      Type.Object(
        { team_id: TeamId, name: Type.String(), slug: Type.String(), is_byoc: Type.Boolean(), role: Role },
        { description: "Team of the session; absent when the user has left it or it is deleted" },
      ),
    ),
  },
  { title: "Me" },
);
export type Me = Static<typeof Me>;

/** Request to change one's own account. */
export const UpdateMe = Type.Object({ name: UserName }, { additionalProperties: false, title: "UpdateMe" });
export type UpdateMe = Static<typeof UpdateMe>;

/** Request to set one's password. */
export const ChangePassword = Type.Object(
  {
    current_password: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1024, description: "Required when the account has a password" }),
    ),
    new_password: NewPassword,
  },
  { additionalProperties: false, title: "ChangePassword" },
);
export type ChangePassword = Static<typeof ChangePassword>;

/** Token of a mail that verifies an address. */
export const ConfirmEmail = Type.Object(
  {
    token: Type.String({
      pattern: "^[A-Za-z0-9_-]{43}$",
      "x-words": "the token of the mail: 43 letters, digits, _ and -",
      description: "Token of the mail",
    }),
  },
  { additionalProperties: false, title: "ConfirmEmail" },
);
export type ConfirmEmail = Static<typeof ConfirmEmail>;

/** An OAuth provider that this server offers for signing in. */
export const OAuthProviderInfo = Type.Object(
  {
    name: Type.String({ description: "Name in the paths `/v1/auth/oauth/{provider}`" }),
    label: Type.String({ description: "Name for people" }),
  },
  { title: "OAuthProvider" },
);
export type OAuthProviderInfo = Static<typeof OAuthProviderInfo>;

/** How people can sign in to this server. */
export const SignInOptions = Type.Object(
  {
    setup: Type.Boolean({
      description:
        "Whether there is no account yet: the first one is made with the link that `warren up` and `warren admin link` print",
    }),
    password_reset: Type.Boolean({ description: "Whether a lost password can be replaced by a mail" }),
    sign_up: Type.Boolean({ description: "Whether anybody may make an account" }),
    providers: Type.Array(OAuthProviderInfo),
  },
  { title: "SignInOptions" },
);
export type SignInOptions = Static<typeof SignInOptions>;

/** Codes that a failed sign-in through a provider brings to `/auth/{provider}/callback?error=` of the dashboard. */
export const OAUTH_ERRORS = [
  "access_denied",
  "invalid_state",
  "missing_code",
  "exchange_failed",
  "email_taken",
  "no_team",
  "account_deactivated",
  "signup_closed",
  "rate_limited",
  "identity_taken",
  "already_linked",
  "session_ended",
  "db_error",
  "internal_error",
] as const;
export type OAuthError = (typeof OAUTH_ERRORS)[number];

/** Query of the search for users. */
export const UserSearch = Type.Object({
  email: Type.String({
    minLength: LIMITS.userSearchCharacters,
    maxLength: LIMITS.emailCharacters,
    pattern: "^\\s*(?:@[\\s\\S]+\\S|\\S[\\s\\S]*@[\\s\\S]*\\S|\\S[\\s\\S]+@)\\s*$",
    "x-words": "the start of an e-mail address, at least 3 characters with the @",
    examples: ["ada@"],
    description: "Start of an e-mail address, at least 3 characters with the @",
  }),
});

/** A user as the search shows them. */
export const FoundUser = Type.Object(
  { user_id: UserId, email: Type.String(), email_verified: EmailVerified },
  { title: "FoundUser" },
);
export type FoundUser = Static<typeof FoundUser>;
