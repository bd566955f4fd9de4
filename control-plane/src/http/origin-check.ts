import { WarrenError } from "@warren/contracts/errors";
import type { FastifyRequest } from "fastify";
import type { App } from "./app-types.ts";

/** The cookie that carries a session. */
export interface SessionCookieReader {
  /** The session token of a Cookie header; undefined when it has none. */
  read(header: string | undefined): string | undefined;
}

/** Whom browsers may speak for. */
export interface OriginRules {
  /** Address of this server for browsers; its origin is the server's own, besides the one that a request names as host. */
  publicUrl?: string;
  /** Other origins whose pages may use this server. */
  allowedOrigins: string[];
  cookie: SessionCookieReader;
}

/**
 * Refuses what pages of other sites make browsers send: requests that change something, and WebSockets, to which
 * browsers apply no same-origin rule (RFC 6455, section 10.2). Browsers name the origin of all of these (Fetch standard,
 * "append a request Origin header"), so that a session cookie without an origin is refused as well. Programs other than
 * browsers send neither.
 */
export function checkOrigins(app: App, rules: OriginRules): void {
  const trusted = new Set(rules.allowedOrigins);
  const publicUrl = rules.publicUrl === undefined ? undefined : new URL(rules.publicUrl);
  if (publicUrl) trusted.add(publicUrl.origin);
  const check = (request: FastifyRequest) => {
    if (isRead(request)) return;
    const { origin } = request.headers;
    if (origin === undefined) {
      if (usesCookie(request, rules.cookie) && request.headers["sec-fetch-site"] !== "same-origin") {
        throw new WarrenError("forbidden", "a session cookie is accepted only with an Origin header; use a token");
      }
      return;
    }
    if (trusted.has(origin) || isOwnOrigin(origin, request, publicUrl?.host)) return;
    throw new WarrenError("forbidden", "pages of this origin may not do this; see WARREN_ALLOWED_ORIGINS");
  };
  app.addHook("onRequest", (request, _reply, done) => {
    check(request);
    done();
  });
}

/** Whether a request has no effect besides its answer, which pages of other origins cannot read. */
function isRead(request: FastifyRequest): boolean {
  return !request.ws && ["GET", "HEAD", "OPTIONS"].includes(request.method);
}

function usesCookie({ headers }: FastifyRequest, cookie: SessionCookieReader): boolean {
  if (headers.authorization !== undefined || headers["x-api-key"] !== undefined) return false;
  return cookie.read(headers.cookie) !== undefined;
}

/**
 * Whether a page came from the host that its request names, which the host check has let pass. At the host of the public
 * address the scheme counts as well: whoever is between may put words into pages that come without https.
 */
function isOwnOrigin(origin: string, request: FastifyRequest, publicHost: string | undefined): boolean {
  const url = URL.parse(origin);
  // An origin of the web has a scheme and a host, and no user or path.
  if (!url || !/^https?:\/\/[^/?#@]+$/.test(origin) || request.headers.host === undefined) return false;
  // Both without the port that the scheme has anyway.
  const own = URL.parse(`${url.protocol}//${request.headers.host}`)?.host;
  return own === url.host && own !== publicHost;
}
