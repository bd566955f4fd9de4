import { LIMITS } from "@warren/contracts/limits";
import { ErrorBody } from "@warren/contracts/rest/error";
import { ConfirmPasswordReset, RequestPasswordReset } from "@warren/contracts/rest/password-reset";
import { Type } from "typebox";
import type { Routes } from "../http/app-types.ts";
import { limitNetwork } from "../rate-limits/limit-network.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import type { PasswordReset } from "./password-reset.ts";

const tags = ["accounts"];

/** Routes by which people whose password is lost set a new one: anybody may call them. */
export function passwordResetRoutes(parts: { passwordReset: PasswordReset; limiter: RateLimiter }): Routes {
  const { passwordReset, limiter } = parts;
  return async (app) => {
    app.post(
      "/v1/me/password/reset",
      {
        bodyLimit: LIMITS.credentialBodyBytes,
        onRequest: limitNetwork(limiter, "reset password", RATES.resetPassword.network),
        schema: {
          tags,
          summary: "Ask for a mail by which a new password can be set",
          description: "The answer is the same whether or not the address has an account.",
          security: [],
          body: RequestPasswordReset,
          response: { 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await passwordReset.request(request.body.email);
        return reply.code(204).send(null);
      },
    );

    app.post(
      "/v1/me/password/reset/confirm",
      {
        bodyLimit: LIMITS.credentialBodyBytes,
        onRequest: limitNetwork(limiter, "confirm reset", RATES.confirmReset.network),
        schema: {
          tags,
          summary: "Set a new password with the token of a mail, and end all sessions",
          security: [],
          body: ConfirmPasswordReset,
          response: { 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await passwordReset.confirm(request.body);
        return reply.code(204).send(null);
      },
    );
  };
}
