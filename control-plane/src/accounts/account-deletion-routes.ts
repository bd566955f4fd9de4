import { LIMITS } from "@warren/contracts/limits";
import { DeleteMe, DeletionPreview } from "@warren/contracts/rest/account-deletion";
import { ErrorBody } from "@warren/contracts/rest/error";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { userOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { limitNetwork } from "../rate-limits/limit-network.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import type { AccountDeletion } from "./account-deletion.ts";

const tags = ["accounts"];

/** What the routes need. */
export interface AccountDeletionRouteParts {
  deletion: AccountDeletion;
  /** The cookie of browsers. */
  cookie: { clearIfUsed(request: FastifyRequest, reply: FastifyReply): void };
  limiter: RateLimiter;
}

/** Routes by which signed-in users delete their accounts. */
export function accountDeletionRoutes({ deletion, cookie, limiter }: AccountDeletionRouteParts): Routes {
  return async (app) => {
    app.get(
      "/v1/me/deletion",
      {
        schema: {
          tags,
          summary: "See what the deletion of one's account would do to one's teams",
          response: { 200: DeletionPreview, "4xx": ErrorBody },
        },
      },
      async (request) => deletion.preview(userOf(request)),
    );

    app.delete(
      "/v1/me",
      {
        bodyLimit: LIMITS.credentialBodyBytes,
        preParsing: limitNetwork(limiter, "change password", RATES.changePassword.network),
        schema: {
          tags,
          summary: "Delete one's account, at once and for good",
          description:
            "Teams that nobody else is in are deleted with all they have; the others go on. Asks for the password again, or for a session that was opened in the last 10 minutes when the account has none.",
          body: DeleteMe,
          response: { 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await deletion.delete(userOf(request), request.body);
        cookie.clearIfUsed(request, reply);
        return reply.code(204).send(null);
      },
    );
  };
}
