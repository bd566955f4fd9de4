import { LIMITS } from "@warren/contracts/limits";
import { ErrorBody } from "@warren/contracts/rest/error";
import { ConnectProvider, ConnectUrl, LinkedProvider, ProviderParams } from "@warren/contracts/rest/providers";
import { Type } from "typebox";
import { userOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { limitNetwork } from "../rate-limits/limit-network.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import type { OAuthFlow } from "./oauth-flow.ts";
import type { ProviderLinks } from "./provider-links.ts";

const tags = ["accounts"];

/** What the routes need. */
export interface ProviderLinkRouteParts {
  links: ProviderLinks;
  flow: OAuthFlow;
  limiter: RateLimiter;
}

/** Routes by which signed-in users link their accounts to providers. */
export function providerLinkRoutes({ links, flow, limiter }: ProviderLinkRouteParts): Routes {
  return async (app) => {
    app.get(
      "/v1/me/providers",
      {
        schema: {
          tags,
          summary: "List the providers that this server offers or offered, and those linked to one's account",
          response: { 200: Type.Array(LinkedProvider), "4xx": ErrorBody },
        },
      },
      async (request) => links.list(userOf(request)),
    );

    app.post(
      "/v1/me/providers/:provider/connect",
      {
        bodyLimit: LIMITS.credentialBodyBytes,
        preParsing: limitNetwork(limiter, "oauth", RATES.oauth.network),
        schema: {
          tags,
          summary: "Begin to link one's account to a provider (for browsers)",
          description:
            "The browser goes on to `url` and comes back to `/dashboard/account?linked={provider}`, or with `&error=`. Asks for the password again, or for a session that was opened in the last 10 minutes when the account has none.",
          params: ProviderParams,
          body: ConnectProvider,
          response: { 200: ConnectUrl, "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const caller = userOf(request);
        const { provider } = request.params;
        flow.requireProvider(provider);
        await links.requireOwner(caller, request.body.password);
        return { url: await flow.connect(provider, caller.sessionId, reply) };
      },
    );

    app.delete(
      "/v1/me/providers/:provider",
      {
        schema: {
          tags,
          summary: "Unlink one's account from a provider",
          params: ProviderParams,
          response: { 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await links.unlink(userOf(request), request.params.provider);
        return reply.code(204).send(null);
      },
    );
  };
}
