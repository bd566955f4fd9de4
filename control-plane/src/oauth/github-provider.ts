import * as oauth from "oauth4webapi";
import {
  type OAuthProfile,
  type OAuthProvider,
  PROVIDER_TIMEOUT_MS,
  ProfileRefused,
  type SignInAttempt,
} from "./oauth-provider.ts";

/** A GitHub OAuth app. */
export interface GitHubSettings {
  clientId: string;
  clientSecret: string;
  /** GitHub Enterprise Server, such as https://github.example.org; absent = github.com. */
  baseUrl?: string;
}

/** Allowed for providers on loopback, which tests use; settings refuse other addresses without TLS. */
const options = () => ({ signal: AbortSignal.timeout(PROVIDER_TIMEOUT_MS), [oauth.allowInsecureRequests]: true });

/** Signing in through GitHub, with the scope `user:email`. */
export class GitHubProvider implements OAuthProvider {
  readonly name = "github";
  readonly label = "GitHub";
  readonly #server: oauth.AuthorizationServer;
  readonly #client: oauth.Client;
  readonly #authentication: oauth.ClientAuth;
  readonly #api: string;

  constructor(settings: GitHubSettings) {
    const web = settings.baseUrl ?? "https://github.com";
    this.#api = settings.baseUrl === undefined ? "https://api.github.com" : `${settings.baseUrl}/api/v3`;
    this.#server = {
      issuer: web,
      authorization_endpoint: `${web}/login/oauth/authorize`,
      token_endpoint: `${web}/login/oauth/access_token`,
    };
    this.#client = { client_id: settings.clientId };
    this.#authentication = oauth.ClientSecretPost(settings.clientSecret);
  }

  async authorizationUrl({ state, codeVerifier, redirectUri }: SignInAttempt): Promise<URL> {
    const url = new URL(this.#server.authorization_endpoint!);
    url.search = new URLSearchParams({
      client_id: this.#client.client_id,
      redirect_uri: redirectUri,
      response_type: "code",
      scope: "user:email",
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
      code_challenge_method: "S256",
    }).toString();
    return url;
  }

  async fetchProfile(callbackUrl: URL, { state, codeVerifier, redirectUri }: SignInAttempt): Promise<OAuthProfile> {
    const parameters = oauth.validateAuthResponse(this.#server, this.#client, callbackUrl, state);
    const response = await oauth.authorizationCodeGrantRequest(
      this.#server,
      this.#client,
      this.#authentication,
      parameters,
      redirectUri,
      codeVerifier,
      options(),
    );
    const { access_token } = await oauth.processAuthorizationCodeResponse(this.#server, this.#client, response);
    const user = await this.#get(access_token, "/user");
    const emails = await this.#get(access_token, "/user/emails");
    return readProfile(user, emails);
  }

  async #get(token: string, path: string): Promise<unknown> {
    const headers = new Headers({ accept: "application/vnd.github+json" });
    const url = new URL(`${this.#api}${path}`);
    const response = await oauth.protectedResourceRequest(token, "GET", url, headers, null, options());
    if (response.status !== 200) throw new Error(`GitHub answered ${response.status} to GET ${path}`);
    return response.json();
  }
}

/**
 * The profile in the answers to `/user` and `/user/emails`. The address of the public profile is taken if the list says
 * that it is verified, else the primary one.
 */
export function readProfile(user: unknown, emails: unknown): OAuthProfile {
  const { id, login, name, email } = user as Record<string, unknown>;
  if (typeof id !== "number" || typeof login !== "string") throw new Error("GitHub's profile has no id and login");
  if (!Array.isArray(emails)) throw new Error("GitHub's list of e-mail addresses is not a list");
  const verified = (emails as Record<string, unknown>[]).filter((entry) => entry?.verified === true);
  const chosen = verified.find((entry) => entry.email === email) ?? verified.find((entry) => entry.primary === true);
  if (typeof chosen?.email !== "string") {
    throw new ProfileRefused("no_verified_email", "the GitHub account has no verified primary e-mail address");
  }
  return { providerId: String(id), email: chosen.email, name: typeof name === "string" && name.trim() ? name : login };
}
