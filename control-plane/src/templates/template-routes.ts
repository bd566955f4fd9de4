import { ErrorBody } from "@warren/contracts/rest/error";
import {
  CreateTemplate,
  CreateTemplateQuery,
  ListTemplatesQuery,
  Template,
  TemplateParams,
} from "@warren/contracts/rest/templates";
import { Type } from "typebox";
import { callerOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import type { TemplateService } from "./template-service.ts";
import { toTemplate } from "./template-view.ts";

const tags = ["templates"];

/** Routes of templates, under the name that `@warren/contracts/rest/templates` explains. */
export function templateRoutes(templates: TemplateService): Routes {
  return async (app) => {
    app.post(
      "/v1/snapshots",
      {
        schema: {
          tags,
          summary: "Make a template of a running or paused sandbox, which stays what it was",
          body: CreateTemplate,
          querystring: CreateTemplateQuery,
          response: { 201: Template, "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const template = await templates.create(callerOf(request), request.body, request.query.overwrite ?? false);
        return reply.code(201).send(toTemplate(template));
      },
    );

    app.get(
      "/v1/snapshots",
      {
        schema: {
          tags,
          summary: "List the team's templates and the built-in ones",
          querystring: ListTemplatesQuery,
          response: { 200: Type.Array(Template), "4xx": ErrorBody },
        },
      },
      async (request) => (await templates.list(callerOf(request).teamId, request.query.type)).map(toTemplate),
    );

    app.delete(
      "/v1/snapshots/:name",
      {
        schema: {
          tags,
          summary: "Delete a template; sandboxes that were started from it are not affected",
          params: TemplateParams,
          response: { 204: Type.Null(), "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await templates.delete(callerOf(request), request.params.name);
        return reply.code(204).send(null);
      },
    );
  };
}
