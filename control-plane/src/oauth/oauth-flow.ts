import { WarrenError } from "@warren/contracts/errors";
import type { OAuthError } from "@warren/contracts/rest/accounts";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "../logging.ts";
import { networkOf } from "../rate-limits/network.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import { type SessionClient, sessionClientOf } from "../sessions/session-client.ts";
import type { SessionCookie } from "../sessions/session-cookie.ts";
import type { Session } from "../sessions/sign-in.ts";
import { type OAuthProfile, type OAuthProvider, ProfileRefused } from "./oauth-provider.ts";
import type { OAuthSignIn } from "./oauth-sign-in.ts";
import { isLinking, type OAuthStates, STATE_SECONDS } from "./oauth-states.ts";
import type { ProviderLinks } from "./provider-links.ts";

const STATE_COOKIE = "oauth_state";

/** What the flow needs. */
export interface OAuthFlowParts {
  providers: ReadonlyMap<string, OAuthProvider>;
  states: OAuthStates;
  signIn: OAuthSignIn;
  links: ProviderLinks;
  cookie: SessionCookie;
  limiter: RateLimiter;
  log: Logger;
  /** Address of this server for browsers; needed when there are providers. */
  publicUrl: string;
  /** Address of the dashboard. */
  dashboardUrl: string;
  /** Whether browsers reach this server by https. */
  secure: boolean;
}

/** A sign-in that ends at the dashboard with an error code. */
class SignInFailed extends Error {
  readonly code: OAuthError;
  readonly reason: string | undefined;

  constructor(code: OAuthError, options?: ErrorOptions & { reason?: string }) {
    super(code, options);
    this.code = code;
    this.reason = options?.reason;
  }
}

/** The two halves of a sign-in through a provider, or of the linking of an account to one. Failures end at the dashboard, which shows them. */
export class OAuthFlow {
  readonly #parts: OAuthFlowParts;

  constructor(parts: OAuthFlowParts) {
    this.#parts = parts;
  }

  /** Where the browser goes to sign in. */
  async start(name: string, request: FastifyRequest, reply: FastifyReply): Promise<string> {
    this.requireProvider(name);
    try {
      await this.#limit(request);
      return await this.#begin(name, undefined, reply);
    } catch (error) {
      return this.#fail(this.#dashboard(name), name, error);
    }
  }

  /** Where the browser goes so that the account of its session is linked. */
  async connect(name: string, sessionId: string, reply: FastifyReply): Promise<string> {
    try {
      return await this.#begin(name, sessionId, reply);
    } catch (error) {
      if (!(error instanceof SignInFailed)) throw error;
      throw new WarrenError("provider_unavailable", `the provider "${name}" cannot be reached; try again later`, {
        cause: error,
      });
    }
  }

  /** Where the browser goes when it has come back from the provider. */
  async finish(name: string, request: FastifyRequest, reply: FastifyReply): Promise<string> {
    const provider = this.requireProvider(name);
    const stateCookie = request.server.parseCookie(request.headers.cookie ?? "")[this.#cookieName];
    reply.clearCookie(this.#cookieName, this.#cookieOptions());
    const page = isLinking(stateCookie) ? this.#accountPage(name) : this.#dashboard(name);
    try {
      await this.#limit(request);
      const callback = new URL(request.url, this.#parts.publicUrl);
      const { profile, sessionId } = await this.#identify(provider, callback, stateCookie);
      if (sessionId !== undefined) {
        const refusal = await this.#parts.links.link(sessionId, name, profile);
        if (refusal !== undefined) throw new SignInFailed(refusal);
      } else {
        const session = await this.#signIn(name, profile, sessionClientOf(request));
        this.#parts.cookie.write(reply, session.token, session.expiresAt);
      }
      return page.href;
    } catch (error) {
      return this.#fail(page, name, error);
    }
  }

  async #begin(name: string, sessionId: string | undefined, reply: FastifyReply): Promise<string> {
    const { cookie, ...secrets } = await this.#parts.states.begin(name, sessionId);
    const url = await this.requireProvider(name)
      .authorizationUrl({ ...secrets, redirectUri: this.#redirectUri(name) })
      .catch((error: unknown) => Promise.reject(exchangeFailed(error)));
    reply.setCookie(this.#cookieName, cookie, { ...this.#cookieOptions(), maxAge: STATE_SECONDS });
    return url.href;
  }

  /** Who has come back, and the session whose account is to be linked, if any. */
  async #identify(
    provider: OAuthProvider,
    callback: URL,
    stateCookie: string | undefined,
  ): Promise<{ profile: OAuthProfile; sessionId?: string }> {
    const { states, publicUrl } = this.#parts;
    const given = callback.searchParams;
    if (given.has("error")) throw new SignInFailed("access_denied");
    const accepted = await states.accept(provider.name, stateCookie, given.get("state") ?? undefined);
    if (!accepted) throw new SignInFailed("invalid_state");
    if (!given.get("code")) throw new SignInFailed("missing_code");
    const { sessionId, ...secrets } = accepted;
    const url = new URL(`${publicUrl}${callback.pathname}${callback.search}`);
    const attempt = { ...secrets, redirectUri: this.#redirectUri(provider.name) };
    const profile = await provider
      .fetchProfile(url, attempt)
      .catch((error: unknown) => Promise.reject(exchangeFailed(error)));
    return { profile, ...(sessionId === undefined ? {} : { sessionId }) };
  }

  async #signIn(provider: string, profile: OAuthProfile, client: SessionClient): Promise<Session> {
    try {
      return await this.#parts.signIn.open(provider, profile, client);
    } catch (error) {
      throw toSignInFailure(error);
    }
  }

  /** The provider of a name; throws `provider_not_found`. */
  requireProvider(name: string): OAuthProvider {
    const provider = this.#parts.providers.get(name);
    if (!provider) throw new WarrenError("provider_not_found", `this server offers no sign-in through "${name}"`);
    return provider;
  }

  async #limit(request: FastifyRequest): Promise<void> {
    try {
      await this.#parts.limiter.take("oauth from", networkOf(request.ip), RATES.oauth.network);
    } catch (error) {
      throw error instanceof WarrenError ? new SignInFailed("rate_limited", { cause: error }) : error;
    }
  }

  /** Where the dashboard shows why a sign-in has failed. */
  #fail(page: URL, name: string, error: unknown): string {
    const failure = error instanceof SignInFailed ? error : new SignInFailed("internal_error", { cause: error });
    const { code, reason, cause } = failure;
    if (code === "internal_error" || code === "db_error") {
      this.#parts.log.error({ err: cause, provider: name, code }, "a sign-in through a provider failed");
    } else {
      // Only the text: fields of such errors hold what the provider answered.
      const why = cause instanceof Error ? cause.message : undefined;
      this.#parts.log.info({ provider: name, code, reason, why }, "a sign-in through a provider was refused");
    }
    page.searchParams.set("error", code);
    if (reason !== undefined) page.searchParams.set("reason", reason);
    return page.href;
  }

  #dashboard(provider: string): URL {
    return new URL(`${this.#parts.dashboardUrl}/auth/${provider}/callback`);
  }

  /** Where one's account is, which shows what has come of linking it. */
  #accountPage(provider: string): URL {
    const url = new URL(`${this.#parts.dashboardUrl}/dashboard/account`);
    url.searchParams.set("linked", provider);
    return url;
  }

  #redirectUri(provider: string): string {
    return `${this.#parts.publicUrl}/v1/auth/oauth/${provider}/callback`;
  }

  /** The prefix makes browsers refuse the cookie unless it is Secure, of this host alone and for all paths. */
  get #cookieName(): string {
    return this.#parts.secure ? `__Host-${STATE_COOKIE}` : STATE_COOKIE;
  }

  #cookieOptions() {
    return { path: "/", httpOnly: true, sameSite: "lax", secure: this.#parts.secure } as const;
  }
}

function exchangeFailed(error: unknown): SignInFailed {
  const reason = error instanceof ProfileRefused ? { reason: error.reason } : {};
  return new SignInFailed("exchange_failed", { cause: error, ...reason });
}

/** The code that the dashboard gets for what the services throw. */
function toSignInFailure(error: unknown): SignInFailed {
  if (!(error instanceof WarrenError)) return new SignInFailed("db_error", { cause: error });
  switch (error.code) {
    case "email_taken":
    case "no_team":
    case "account_deactivated":
    case "signup_closed":
      return new SignInFailed(error.code, { cause: error });
    case "invalid_request":
      return new SignInFailed("exchange_failed", { cause: error, reason: "no_verified_email" });
    default:
      return new SignInFailed("internal_error", { cause: error });
  }
}
