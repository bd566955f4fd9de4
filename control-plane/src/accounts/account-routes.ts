import { LIMITS } from "@warren/contracts/limits";
import {
  ChangePassword,
  FoundUser,
  Me,
  UpdateMe,
  UserSearch as UserSearchQuery,
} from "@warren/contracts/rest/accounts";
import { ErrorBody } from "@warren/contracts/rest/error";
import { Type } from "typebox";
import { userOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { toWireId } from "../identifiers/wire-id.ts";
import { limitNetwork } from "../rate-limits/limit-network.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import type { AccountService } from "./account-service.ts";
import type { UserSearch } from "./user-search.ts";

const tags = ["accounts"];

/** Routes of the signed-in user's account, and of the search for other users. */
export function accountRoutes(parts: { accounts: AccountService; search: UserSearch; limiter: RateLimiter }): Routes {
  const { accounts, search, limiter } = parts;
  return async (app) => {
    app.get(
      "/v1/me",
      { schema: { tags, summary: "Get one's own account", response: { 200: Me, "4xx": ErrorBody } } },
      async (request) => accounts.describe(userOf(request)),
    );

    app.patch(
      "/v1/me",
      {
        bodyLimit: LIMITS.credentialBodyBytes,
        schema: {
          tags,
          summary: "Change one's name",
          body: UpdateMe,
          response: { 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await accounts.update(userOf(request), request.body);
        return reply.code(204).send(null);
      },
    );

    app.post(
      "/v1/me/password",
      {
        bodyLimit: LIMITS.credentialBodyBytes,
        preParsing: limitNetwork(limiter, "change password", RATES.changePassword.network),
        schema: {
          tags,
          summary: "Set one's password, and end all other sessions",
          body: ChangePassword,
          response: { 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await accounts.changePassword(userOf(request), request.body);
        return reply.code(204).send(null);
      },
    );

    app.get(
      "/v1/users/search",
      {
        schema: {
          tags,
          summary: "Complete the e-mail address of a user",
          description:
            "Finds people in a team with the caller, people of the caller's e-mail domain once the caller's own address is verified, and whoever's address is given in full.",
          querystring: UserSearchQuery,
          response: { 200: Type.Array(FoundUser), "4xx": ErrorBody },
        },
      },
      async (request) => {
        const users = await search.find(userOf(request), request.query.email);
        return users.map(({ id, ...user }) => ({ user_id: toWireId("usr", id), ...user }));
      },
    );
  };
}
