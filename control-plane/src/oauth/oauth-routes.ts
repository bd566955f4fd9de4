import { ErrorBody } from "@warren/contracts/rest/error";
import { ProviderParams } from "@warren/contracts/rest/providers";
import { Type } from "typebox";
import type { Routes } from "../http/app-types.ts";
import type { OAuthFlow } from "./oauth-flow.ts";

const tags = ["accounts"];

/** Routes of signing in through providers: anybody may call them. */
export function oauthRoutes(flow: OAuthFlow): Routes {
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
