import { WarrenError } from "@warren/contracts/errors";
import { OAUTH_PROVIDER, OAUTH_PROVIDER_WORDS } from "@warren/contracts/identifiers";
import type { OAuthError } from "@warren/contracts/rest/accounts";
import { ErrorBody } from "@warren/contracts/rest/error";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Routes } from "../http/app-types.ts";
import type { Logger } from "../logging.ts";
import { networkOf } from "../rate-limits/network.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import { type SessionClient, sessionClientOf } from "../sessions/session-client.ts";
import type { SessionCookie } from "../sessions/session-cookie.ts";
import type { Session } from "../sessions/sign-in.ts";
import { type OAuthProvider, ProfileRefused } from "./oauth-provider.ts";
import type { OAuthSignIn } from "./oauth-sign-in.ts";
import { type OAuthStates, STATE_SECONDS } from "./oauth-states.ts";

const tags = ["accounts"];
const STATE_COOKIE = "oauth_state";
const ProviderParams = Type.Object({
  provider: Type.String({ pattern: OAUTH_PROVIDER.source, "x-words": OAUTH_PROVIDER_WORDS }),
});

/** What the routes need. */
export interface OAuthRouteParts {
  providers: ReadonlyMap<string, OAuthProvider>;
  states: OAuthStates;
  signIn: OAuthSignIn;
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

/** Routes of signing in through providers: anybody may call them. */
export function oauthRoutes(parts: OAuthRouteParts): Routes {
  const flow = new OAuthFlow(parts);
  return async (app) => {
    app.get(
      "/v1/auth/oauth/:provider",
      {
        schema: {
          tags,
          summary: "Sign in through a provider (for browsers)",
          security: [],
          params: ProviderParams,
          response: { 302: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => reply.redirect(await flow.start(request.params.provider, request, reply), 302),
    );

    app.get(
      "/v1/auth/oauth/:provider/callback",
      {
        schema: {
          tags,
          summary: "Return from a provider (for browsers)",
          description:
            "Puts the session into an HttpOnly cookie and goes on to `/auth/{provider}/callback` of the dashboard; after a failure with `?error=`.",
          security: [],
          params: ProviderParams,
          response: { 302: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => reply.redirect(await flow.finish(request.params.provider, request, reply), 302),
    );
  };
}

/** The two halves of a sign-in through a provider. Failures end at the dashboard, which shows them. */
class OAuthFlow {
  readonly #parts: OAuthRouteParts;

  constructor(parts: OAuthRouteParts) {
    this.#parts = parts;
  }

  /** Where the browser goes to sign in. */
  async start(name: string, request: FastifyRequest, reply: FastifyReply): Promise<string> {
    const provider = this.#provider(name);
    try {
      await this.#limit(request);
      const { cookie, ...secrets } = await this.#parts.states.begin(name);
      const url = await provider
        .authorizationUrl({ ...secrets, redirectUri: this.#redirectUri(name) })
        .catch((error: unknown) => Promise.reject(exchangeFailed(error)));
      reply.setCookie(this.#cookieName, cookie, { ...this.#cookieOptions(), maxAge: STATE_SECONDS });
      return url.href;
    } catch (error) {
      return this.#fail(name, error);
    }
  }

  /** Where the browser goes when it has come back from the provider. */
  async finish(name: string, request: FastifyRequest, reply: FastifyReply): Promise<string> {
    const provider = this.#provider(name);
    const stateCookie = request.server.parseCookie(request.headers.cookie ?? "")[this.#cookieName];
    reply.clearCookie(this.#cookieName, this.#cookieOptions());
    try {
      await this.#limit(request);
      const callback = new URL(request.url, this.#parts.publicUrl);
      const session = await this.#signIn(provider, callback, stateCookie, sessionClientOf(request));
      this.#parts.cookie.write(reply, session.token, session.expiresAt);
      return this.#dashboard(name).href;
    } catch (error) {
      return this.#fail(name, error);
    }
  }

  async #signIn(
    provider: OAuthProvider,
    callback: URL,
    stateCookie: string | undefined,
    client: SessionClient,
  ): Promise<Session> {
    const { states, signIn, publicUrl } = this.#parts;
    const given = callback.searchParams;
    if (given.has("error")) throw new SignInFailed("access_denied");
    const secrets = await states.accept(provider.name, stateCookie, given.get("state") ?? undefined);
    if (!secrets) throw new SignInFailed("invalid_state");
    if (!given.get("code")) throw new SignInFailed("missing_code");
    const url = new URL(`${publicUrl}${callback.pathname}${callback.search}`);
    const attempt = { ...secrets, redirectUri: this.#redirectUri(provider.name) };
    const profile = await provider
      .fetchProfile(url, attempt)
      .catch((error: unknown) => Promise.reject(exchangeFailed(error)));
    try {
      return await signIn.open(provider.name, profile, client);
    } catch (error) {
      throw toSignInFailure(error);
    }
  }

  #provider(name: string): OAuthProvider {
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
  #fail(name: string, error: unknown): string {
    const failure = error instanceof SignInFailed ? error : new SignInFailed("internal_error", { cause: error });
    const { code, reason, cause } = failure;
    if (code === "internal_error" || code === "db_error") {
      this.#parts.log.error({ err: cause, provider: name, code }, "a sign-in through a provider failed");
    } else {
      // Only the text: fields of such errors hold what the provider answered.
      const why = cause instanceof Error ? cause.message : undefined;
      this.#parts.log.info({ provider: name, code, reason, why }, "a sign-in through a provider was refused");
    }
    const url = this.#dashboard(name);
    url.searchParams.set("error", code);
    if (reason !== undefined) url.searchParams.set("reason", reason);
    return url.href;
  }

  #dashboard(provider: string): URL {
    return new URL(`${this.#parts.dashboardUrl}/auth/${provider}/callback`);
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
