import { WarrenError } from "@warren/contracts/errors";
import type { FastifyRequest } from "fastify";
import type { App } from "../app.ts";

/**
 * Refuses WebSockets that pages of other sites try to open: browsers send credentials they keep along with them, and
 * apply no same-origin rule (RFC 6455, section 10.2). Programs other than browsers send no Origin.
 */
export function checkWebSocketOrigins(scope: App, allowedOrigins: string[]): void {
  scope.addHook("onRequest", async (request) => {
    const { origin } = request.headers;
    if (!request.ws || origin === undefined) return;
    if (allowedOrigins.includes(origin) || isOwnOrigin(origin, request)) return;
    throw new WarrenError(
      "forbidden",
      "WebSockets may not be opened from pages of this origin; see WARREN_ALLOWED_ORIGINS",
    );
  });
}

function isOwnOrigin(origin: string, request: FastifyRequest): boolean {
  return request.headers.host !== undefined && URL.parse(origin)?.host === request.headers.host.toLowerCase();
}
