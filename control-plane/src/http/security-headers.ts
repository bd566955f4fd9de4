import { type OutgoingHttpHeaders, ServerResponse } from "node:http";

/** What a page of this server may load, and who may show it in a frame. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join(";");

/** How long browsers come back by https only, in seconds: a year. */
const STRICT_TRANSPORT_SEC = 31_536_000;

/** Headers by which browsers keep an answer from being framed, guessed at, or shared with other origins. */
function securityHeaders(secure: boolean): OutgoingHttpHeaders {
  return {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Origin-Agent-Cluster": "?1",
    "Referrer-Policy": "no-referrer",
    ...(secure && { "Strict-Transport-Security": `max-age=${STRICT_TRANSPORT_SEC}` }),
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "X-Download-Options": "noopen",
    "X-Frame-Options": "DENY",
    "X-Permitted-Cross-Domain-Policies": "none",
    // The filter that it turns off could be made to hide parts of a page.
    "X-XSS-Protection": "0",
  };
}

/**
 * Answers with the headers of {@link securityHeaders}, which a route may replace. They are added where the head of an answer
 * is written: set one by one beforehand, they took a tenth of the time of a small request.
 */
export function secureResponse(secure: boolean): typeof ServerResponse {
  const headers = securityHeaders(secure);
  const names = new Map(Object.keys(headers).map((name) => [name.toLowerCase(), name]));
  return class SecureResponse extends ServerResponse {
    override writeHead(status: number, reason?: unknown, more?: unknown): this {
      const given = (typeof reason === "string" ? more : reason) as OutgoingHttpHeaders | undefined;
      const all = { ...headers };
      for (const name of this.getHeaderNames()) delete all[names.get(name) ?? ""];
      for (const name in given) {
        const own = names.get(name.toLowerCase());
        if (own !== undefined) delete all[own];
        all[name] = given[name];
      }
      return typeof reason === "string" ? super.writeHead(status, reason, all) : super.writeHead(status, all);
    }
  } as typeof ServerResponse;
}
