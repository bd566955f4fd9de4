import { LIMITS } from "@warren/contracts/limits";
import { ConfirmEmail } from "@warren/contracts/rest/accounts";
import { ErrorBody } from "@warren/contracts/rest/error";
import { Type } from "typebox";
import { userOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import type { EmailVerification } from "./email-verification.ts";

const tags = ["accounts"];

/** Routes by which signed-in users show that their address is theirs. */
export function emailVerificationRoutes(verification: EmailVerification): Routes {
  return async (app) => {
    app.post(
      "/v1/me/email/verification",
      {
        schema: {
          tags,
          summary: "Ask for another mail that verifies one's address",
          description: "Nothing is sent when the address is verified already.",
          response: { 204: Type.Null(), "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await verification.request(userOf(request));
        return reply.code(204).send(null);
      },
    );

    app.post(
      "/v1/me/email/confirm",
      {
        bodyLimit: LIMITS.credentialBodyBytes,
        schema: {
          tags,
          summary: "Verify one's address with the token of a mail",
          body: ConfirmEmail,
          response: { 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await verification.confirm(userOf(request), request.body.token);
        return reply.code(204).send(null);
      },
    );

    app.get(
      "/v1/me/email/confirm",
      {
        schema: {
          tags,
          summary: "Verify one's address by the link of a mail, in a browser that is signed in",
          querystring: ConfirmEmail,
          response: { 200: Type.String(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await verification.confirm(userOf(request), request.query.token);
        return reply.type("text/plain").send("Your e-mail address is verified.\n");
      },
    );
  };
}
