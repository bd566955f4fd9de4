import { LIMITS } from "@warren/contracts/limits";
import { ApiKey, ApiKeyParams, CreateApiKey, NewApiKey } from "@warren/contracts/rest/api-keys";
import { ErrorBody } from "@warren/contracts/rest/error";
import { Type } from "typebox";
import { memberOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import type { ApiKeyService } from "./api-key-service.ts";
import { toApiKey } from "./api-key-view.ts";

const tags = ["API keys"];

/** Routes of the API keys of the session's team, for users only. */
export function apiKeyRoutes(apiKeys: ApiKeyService): Routes {
  return async (app) => {
    app.post(
      "/v1/api-keys",
      {
        bodyLimit: LIMITS.credentialBodyBytes,
        schema: {
          tags,
          summary: "Make an API key; its secret is shown only in this answer",
          description: "Any member may, unless the team leaves it to the owner and admins.",
          body: CreateApiKey,
          response: { 201: NewApiKey, "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const { row, key } = await apiKeys.create(memberOf(request), request.body);
        return reply.code(201).send({ ...toApiKey(row), key });
      },
    );

    app.get(
      "/v1/api-keys",
      {
        schema: {
          tags,
          summary: "List the API keys of the team, newest first",
          response: { 200: Type.Array(ApiKey), "4xx": ErrorBody },
        },
      },
      async (request) => (await apiKeys.list(memberOf(request))).map(toApiKey),
    );

    app.delete(
      "/v1/api-keys/:id",
      {
        schema: {
          tags,
          summary: "Revoke an API key",
          params: ApiKeyParams,
          response: { 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await apiKeys.revoke(memberOf(request), fromWireId("key", request.params.id));
        return reply.code(204).send(null);
      },
    );
  };
}
