/** What the codes of a failed sign-in through a provider say to the person. */
const TEXTS: Record<string, string> = {
  access_denied: "The sign-in was declined at the provider. Try again, or sign in with a password.",
  invalid_state:
    "This sign-in was not begun in this browser in the last ten minutes, or it was used before. Begin again.",
  missing_code: "The provider sent you back without its answer. Begin again.",
  exchange_failed: "The provider's answer does not prove who you are. Begin again.",
  provider_unavailable: "The provider does not answer. Try again in a minute.",
  no_verified_email: "The provider knows no verified address of yours. Verify one there, then sign in again.",
  account_deactivated: "Your account is deactivated. Ask whoever runs this server.",
  email_taken: "Your address has an account here already. Sign in to it the way you did before.",
  no_team: "Your account is in no live team. Ask for an invitation to one.",
  signup_closed: "Nobody can make an account here by themselves. Ask whoever runs this server.",
  rate_limited: "There were too many sign-ins from your network. Wait a minute and try again.",
  db_error: "The server could not reach its database. Try again in a minute.",
  internal_error: "The server failed in the sign-in; its log says why. Try again.",
};

/** What the codes say differently when an account was to be linked to a provider. */
const LINK_TEXTS: Record<string, string> = {
  access_denied: "The link was declined at the provider, and nothing has changed.",
  invalid_state:
    "This link was not begun in this browser in the last ten minutes, or it was used before. Link the account again.",
  missing_code: "The provider sent you back without its answer. Link the account again.",
  exchange_failed: "The provider's answer does not prove who you are. Link the account again.",
  identity_taken: "That account at the provider signs in to another account here. Unlink it there first.",
  already_linked: "Your account is linked to an account at this provider already. Unlink that one first.",
  session_ended: "Your session ended while you were at the provider. Sign in and link the account again.",
  rate_limited: "There were too many attempts from your network. Wait a minute and try again.",
  internal_error: "The server failed to link the account; its log says why. Try again.",
};

/** What a failed sign-in says, by its code and the closer reason where there is one. */
export function oauthErrorText(code: string, reason: string | null): string {
  const closer = reason === null ? undefined : TEXTS[reason];
  return closer ?? TEXTS[code] ?? "The sign-in through the provider failed. Begin again.";
}

/** What a failed link of an account to a provider says. */
export function linkErrorText(code: string, reason: string | null): string {
  const closer = reason === null ? undefined : TEXTS[reason];
  return closer ?? LINK_TEXTS[code] ?? TEXTS[code] ?? "The account was not linked to the provider. Link it again.";
}
