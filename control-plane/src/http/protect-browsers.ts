import cookies from "@fastify/cookie";
import cors from "@fastify/cors";
import helmet from "@fastify/helmet";
import type { App } from "./app-types.ts";
import { checkOrigins, type OriginRules } from "./origin-check.ts";

/**
 * What browsers are told and what is accepted from them: security headers, no access for pages of other origins unless
 * the settings name them, and origin checks. A route may replace headers of its own answers.
 */
export async function protectBrowsers(app: App, rules: OriginRules): Promise<void> {
  const secure = rules.publicUrl?.startsWith("https:") ?? false;
  await app.register(helmet, {
    global: true,
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        imgSrc: ["'self'", "data:"],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    frameguard: { action: "deny" },
    referrerPolicy: { policy: "no-referrer" },
    hsts: secure ? { maxAge: 31_536_000, includeSubDomains: false } : false,
    xPoweredBy: false,
  });
  await app.register(cookies);
  if (rules.allowedOrigins.length > 0) {
    await app.register(cors, {
      origin: rules.allowedOrigins,
      credentials: true,
      methods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
      exposedHeaders: ["retry-after"],
    });
  }
  checkOrigins(app, rules);
  // Answers of the API are about one caller at one moment.
  app.addHook("onSend", async (request, reply) => {
    if (request.url.startsWith("/v1/")) reply.header("cache-control", "no-store");
  });
}
