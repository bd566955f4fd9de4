import { LIMITS } from "@warren/contracts/limits";
import { AuthResponse, SetUp } from "@warren/contracts/rest/accounts";
import { ErrorBody } from "@warren/contracts/rest/error";
import type { Routes } from "../http/app-types.ts";
import { limitNetwork } from "../rate-limits/limit-network.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import { handOver } from "../sessions/hand-over.ts";
import { sessionClientOf } from "../sessions/session-client.ts";
import type { SessionCookie } from "../sessions/session-cookie.ts";
import type { Setup } from "./setup.ts";

/** The route that makes the first account: anybody may call it, and needs the token of the link. */
export function setupRoutes(parts: { setup: Setup; cookie: SessionCookie; limiter: RateLimiter }): Routes {
  const { setup, cookie, limiter } = parts;
  return async (app) => {
    app.post(
      "/v1/auth/setup",
      {
        bodyLimit: LIMITS.credentialBodyBytes,
        onRequest: limitNetwork(limiter, "set up", RATES.setUp.network),
        schema: {
          tags: ["accounts"],
          summary: "Make the first account, with the token of the link that the server's operator has, and sign in",
          description:
            "The account administers the platform and owns the teams that have no member yet. `warren up` and `warren admin link` print the link, which is valid for a day and once.",
          security: [],
          body: SetUp,
          response: { 201: AuthResponse, "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const session = await setup.redeem(request.body, sessionClientOf(request));
        return reply.code(201).send(handOver(reply, cookie, session, request.body.cookie ?? false));
      },
    );
  };
}
