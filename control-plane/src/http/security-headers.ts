import type { App } from "./app-types.ts";

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
function securityHeaders(secure: boolean): [name: string, value: string][] {
  return [
    ["Content-Security-Policy", CONTENT_SECURITY_POLICY],
    ["Cross-Origin-Opener-Policy", "same-origin"],
    ["Cross-Origin-Resource-Policy", "same-origin"],
    ["Origin-Agent-Cluster", "?1"],
    ["Referrer-Policy", "no-referrer"],
    ...(secure ? [["Strict-Transport-Security", `max-age=${STRICT_TRANSPORT_SEC}`] as [string, string]] : []),
    ["X-Content-Type-Options", "nosniff"],
    ["X-DNS-Prefetch-Control", "off"],
    ["X-Download-Options", "noopen"],
    ["X-Frame-Options", "DENY"],
    ["X-Permitted-Cross-Domain-Policies", "none"],
    // The filter that it turns off could be made to hide parts of a page.
    ["X-XSS-Protection", "0"],
  ];
}

/** Gives every answer the headers of {@link securityHeaders}, which a route may replace. */
export function sendSecurityHeaders(app: App, secure: boolean): void {
  const headers = securityHeaders(secure);
  app.addHook("onRequest", (_request, reply, done) => {
    for (const [name, value] of headers) reply.raw.setHeader(name, value);
    done();
  });
}
