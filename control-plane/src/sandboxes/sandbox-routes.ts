import { ErrorBody } from "@warren/contracts/rest/error";
import { CreateSandbox, Sandbox, SandboxParams } from "@warren/contracts/rest/sandboxes";
import { Type } from "typebox";
import type { Routes } from "../app.ts";
import { callerOf } from "../auth/require-caller.ts";
import type { SandboxService } from "./sandbox-service.ts";
import { toSandbox } from "./sandbox-view.ts";

const tags = ["sandboxes"];

/** Routes of the life of sandboxes under `/v1/sandboxes`. */
export function sandboxRoutes(sandboxes: SandboxService): Routes {
  return async (app) => {
    app.post(
      "/v1/sandboxes",
      {
        schema: {
          tags,
          summary: "Create a sandbox and wait until it runs",
          body: CreateSandbox,
          response: { 201: Sandbox, "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request, reply) =>
        reply.code(201).send(toSandbox(await sandboxes.create(callerOf(request), request.body))),
    );

    app.get(
      "/v1/sandboxes",
      {
        schema: {
          tags,
          summary: "List sandboxes, newest first, without those that are stopped or failed",
          response: { 200: Type.Array(Sandbox), "4xx": ErrorBody },
        },
      },
      async (request) => (await sandboxes.list(callerOf(request))).map(toSandbox),
    );

    app.get(
      "/v1/sandboxes/:id",
      {
        schema: {
          tags,
          summary: "Get a sandbox",
          params: SandboxParams,
          response: { 200: Sandbox, "4xx": ErrorBody },
        },
      },
      async (request) => toSandbox(await sandboxes.get(callerOf(request), request.params.id)),
    );

    app.delete(
      "/v1/sandboxes/:id",
      {
        schema: {
          tags,
          summary: "Destroy a sandbox in any state",
          params: SandboxParams,
          response: { 204: Type.Null(), "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await sandboxes.destroy(callerOf(request), request.params.id);
        return reply.code(204).send(null);
      },
    );

    app.post(
      "/v1/sandboxes/:id/ping",
      {
        schema: {
          tags,
          summary: "Reset the inactivity timer",
          params: SandboxParams,
          response: { 204: Type.Null(), "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await sandboxes.ping(callerOf(request), request.params.id);
        return reply.code(204).send(null);
      },
    );
  };
}
