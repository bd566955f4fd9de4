/** Who somebody is, as a provider says. */
export interface OAuthProfile {
  /** Id of the user at the provider, which never changes. */
  providerId: string;
  /** An address that the provider has verified. */
  email: string;
  name: string;
}

/** What ties the two halves of one sign-in together. */
export interface SignInAttempt {
  state: string;
  /** Goes into the ID token (OpenID Connect Core, section 3.1.2.1). */
  nonce: string;
  /** Proof of PKCE (RFC 7636). */
  codeVerifier: string;
  /** Address to which the provider sends the browser back. */
  redirectUri: string;
}

/** Why a provider's answer is refused, for the person who signs in; such as that no address is verified. */
export type RefusalReason = "no_verified_email" | "provider_unavailable";

/** A sign-in that the provider's answer does not allow. */
export class ProfileRefused extends Error {
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ProfileRefused";
    this.reason = reason;
  }
}

/** A service where people prove who they are (OAuth 2.0, authorization code grant with PKCE). */
export interface OAuthProvider {
  /** Name in paths and in the database. */
  readonly name: string;
  /** Name for people. */
  readonly label: string;
  /** Where the browser goes to sign in. */
  authorizationUrl(attempt: SignInAttempt): Promise<URL>;
  /** Exchanges the code with which the browser came back. Rejects when the answers do not prove who it is. */
  fetchProfile(callbackUrl: URL, attempt: SignInAttempt): Promise<OAuthProfile>;
}

/** Milliseconds that a provider has for each answer. */
export const PROVIDER_TIMEOUT_MS = 10_000;
