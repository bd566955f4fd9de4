import cookies from "@fastify/cookie";
import cors from "@fastify/cors";
import type { App } from "./app-types.ts";
import { checkOrigins, type OriginRules } from "./origin-check.ts";

/**
 * What browsers are told and what is accepted from them: no access for pages of other origins unless the settings name
 * them, and origin checks.
 */
export async function protectBrowsers(app: App, rules: OriginRules): Promise<void> {
  // The few routes that read cookies parse them: prepared for each request they took a tenth of the time of a small one.
  await app.register(cookies, { hook: false });
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
  app.addHook("onSend", (request, reply, _payload, done) => {
    if (request.url.startsWith("/v1/")) reply.header("cache-control", "no-store");
    done();
  });
}
