/** What the codes of a failed sign-in through a provider say to the person. */
const TEXTS: Record<string, string> = {
  access_denied: "The sign-in was declined at the provider. Try again, or sign in with a password.",
  invalid_state:
    "This sign-in was not begun in this browser in the last ten minutes, or it was used before. Begin again.",
  missing_code: "The provider sent you back without its answer. Begin again.",
  exchange_failed: "The provider's answer does not prove who you are. Begin again.",
  provider_unavailable: "The provider does not answer. Try again in a minute.",
  no_verified_email: "The provider knows no verified address of yours. Verify one there, then sign in again.",
  email_taken: "Your address has an account here already. Sign in to it the way you did before.",
  no_team: "Your account is in no live team. Ask for an invitation to one.",
  signup_closed: "Nobody can make an account here by themselves. Ask whoever runs this server.",
  rate_limited: "There were too many sign-ins from your network. Wait a minute and try again.",
  db_error: "The server could not reach its database. Try again in a minute.",
  internal_error: "The server failed in the sign-in; its log says why. Try again.",
};

/** What a failed sign-in says, by its code and the closer reason where there is one. */
export function oauthErrorText(code: string, reason: string | null): string {
  return (reason !== null && TEXTS[reason]) || TEXTS[code] || "The sign-in through the provider failed. Begin again.";
}
