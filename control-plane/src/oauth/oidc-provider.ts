import * as oauth from "oauth4webapi";
import {
  type OAuthProfile,
  type OAuthProvider,
  PROVIDER_TIMEOUT_MS,
  ProfileRefused,
  type SignInAttempt,
} from "./oauth-provider.ts";

/** A client of an OpenID Connect provider. */
export interface OidcSettings {
  /** Name in paths and in the database. */
  name: string;
  label: string;
  /** Issuer, below which the provider's description is found (OpenID Connect Discovery, section 4). */
  issuer: string;
  clientId: string;
  clientSecret: string;
}

/** Milliseconds for which the provider's description is reused. */
const DESCRIPTION_MAX_AGE_MS = 3_600_000;

/** Allowed for providers on loopback, which tests use; settings refuse other addresses without TLS. */
const options = () => ({ signal: AbortSignal.timeout(PROVIDER_TIMEOUT_MS), [oauth.allowInsecureRequests]: true });

/** Signing in through any OpenID Connect provider that verifies e-mail addresses. */
export class OidcProvider implements OAuthProvider {
  readonly name: string;
  readonly label: string;
  readonly #issuer: URL;
  readonly #client: oauth.Client;
  readonly #clientSecret: string;
  #description: { server: oauth.AuthorizationServer; readAt: number } | undefined;

  constructor(settings: OidcSettings) {
    this.name = settings.name;
    this.label = settings.label;
    this.#issuer = new URL(settings.issuer);
    this.#client = { client_id: settings.clientId };
    this.#clientSecret = settings.clientSecret;
  }

  async authorizationUrl({ state, nonce, codeVerifier, redirectUri }: SignInAttempt): Promise<URL> {
    const { authorization_endpoint } = await this.#describe();
    if (authorization_endpoint === undefined) throw new Error("the provider names no authorization endpoint");
    const url = new URL(authorization_endpoint);
    const parameters = {
      client_id: this.#client.client_id,
      redirect_uri: redirectUri,
      response_type: "code",
      scope: "openid email profile",
      state,
      nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
      code_challenge_method: "S256",
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url;
  }

  async fetchProfile(callbackUrl: URL, attempt: SignInAttempt): Promise<OAuthProfile> {
    const server = await this.#describe();
    const parameters = oauth.validateAuthResponse(server, this.#client, callbackUrl, attempt.state);
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      this.#client,
      this.#authentication(server),
      parameters,
      attempt.redirectUri,
      attempt.codeVerifier,
      options(),
    );
    const tokens = await oauth.processAuthorizationCodeResponse(server, this.#client, response, {
      expectedNonce: attempt.nonce,
      requireIdToken: true,
    });
    await oauth.validateApplicationLevelSignature(server, response, options());
    const claims = oauth.getValidatedIdTokenClaims(tokens)!;
    const user = claims.email === undefined ? await this.#userInfo(server, tokens.access_token, claims.sub) : claims;
    return readProfile(server.issuer, claims.sub, user);
  }

  async #userInfo(server: oauth.AuthorizationServer, accessToken: string, subject: string) {
    const response = await oauth.userInfoRequest(server, this.#client, accessToken, options());
    return oauth.processUserInfoResponse(server, this.#client, subject, response);
  }

  async #describe(): Promise<oauth.AuthorizationServer> {
    const known = this.#description;
    if (known && performance.now() - known.readAt < DESCRIPTION_MAX_AGE_MS) return known.server;
    let response: Response;
    try {
      response = await oauth.discoveryRequest(this.#issuer, { algorithm: "oidc", ...options() });
    } catch (error) {
      throw new ProfileRefused("provider_unavailable", `${this.#issuer.href} does not answer`, { cause: error });
    }
    const server = await oauth.processDiscoveryResponse(this.#issuer, response);
    this.#description = { server, readAt: performance.now() };
    return server;
  }

  /** HTTP Basic, unless the provider takes the secret in the body only (OpenID Connect Core, section 9). */
  #authentication(server: oauth.AuthorizationServer): oauth.ClientAuth {
    const methods = server.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
    return methods.includes("client_secret_basic")
      ? oauth.ClientSecretBasic(this.#clientSecret)
      : oauth.ClientSecretPost(this.#clientSecret);
  }
}

/** The profile in the claims of a user. The id is unique only together with the issuer. */
export function readProfile(issuer: string, subject: string, claims: Record<string, unknown>): OAuthProfile {
  const { email, email_verified, name, preferred_username } = claims;
  // Some providers write the truth value as text.
  if (typeof email !== "string" || (email_verified !== true && email_verified !== "true")) {
    throw new ProfileRefused("no_verified_email", "the provider names no verified e-mail address of the user");
  }
  const names = [name, preferred_username, email.slice(0, email.lastIndexOf("@"))];
  const shown = names.find((text): text is string => typeof text === "string" && text.trim() !== "");
  return { providerId: `${issuer} ${subject}`, email, name: shown ?? email };
}
