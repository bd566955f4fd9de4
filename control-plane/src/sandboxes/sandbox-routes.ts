import { WarrenError } from "@warren/contracts/errors";
import { SANDBOX_ID } from "@warren/contracts/identifiers";
import { LIMITS } from "@warren/contracts/limits";
import { ErrorBody } from "@warren/contracts/rest/error";
import { ForkResult, ForkSandbox, ResumeSandbox } from "@warren/contracts/rest/forks";
import {
  CreateSandbox,
  ListSandboxesQuery,
  Sandbox,
  SandboxPage,
  SandboxParams,
  UpdateSandbox,
} from "@warren/contracts/rest/sandboxes";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { callerOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { compileSerializer } from "../http/errors/validation.ts";
import { sandboxNotFound } from "./sandbox-errors.ts";
import type { SandboxForks } from "./sandbox-forks.ts";
import type { SandboxPausing } from "./sandbox-pausing.ts";
import type { SandboxService } from "./sandbox-service.ts";
import type { SandboxSettings } from "./sandbox-settings.ts";
import type { SandboxRow } from "./sandbox-store.ts";
import { toSandbox } from "./sandbox-view.ts";

const tags = ["sandboxes"];

const Sandboxes = Type.Array(Sandbox);
const toJson = {
  one: compileSerializer<Sandbox>(Sandbox),
  all: compileSerializer<Sandbox[]>(Sandboxes),
  page: compileSerializer<SandboxPage>(SandboxPage),
};

/** Hook of routes of one sandbox: what cannot be the id of one is the id of none. */
export async function requireSandboxId({ params }: FastifyRequest): Promise<void> {
  const { id } = params as { id?: string };
  if (id !== undefined && !SANDBOX_ID.test(id)) throw sandboxNotFound(id);
}

/** Takes a request without a body as one with an empty object, for routes all of whose fields are optional. */
const allowNoBody = async (request: FastifyRequest) => {
  if (request.body === undefined) request.body = {};
};

/** Routes of the life of sandboxes under `/v1/sandboxes`. */
export function sandboxRoutes(parts: {
  sandboxes: SandboxService;
  settings: SandboxSettings;
  pausing: SandboxPausing;
  forks: SandboxForks;
}): Routes {
  const { sandboxes, settings, pausing, forks } = parts;
  /** Bytes of the answer to all who share a list, and to all who share a row. */
  const answers = new WeakMap<readonly SandboxRow[] | SandboxRow, Buffer>();
  /** Sends JSON as it stands. */
  const send = (reply: FastifyReply, json: Buffer | string) =>
    reply.type("application/json; charset=utf-8").send(json as never);
  const answerWith = (shared: readonly SandboxRow[] | SandboxRow, reply: FastifyReply, view: () => string) => {
    let answer = answers.get(shared);
    if (!answer) {
      answer = Buffer.from(view());
      answers.set(shared, answer);
    }
    return send(reply, answer);
  };
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
          description:
            "All of them as an array; with `limit` or `cursor` a page of them. Pages hold what was there when the first was " +
            "asked for, less what ceased to match: what is created meanwhile is newer, and shifts nothing. Of sandboxes that " +
            `are over, a list without pages has the newest ${LIMITS.endedSandboxes}.`,
          querystring: ListSandboxesQuery,
          response: { 200: Type.Union([Sandboxes, SandboxPage]), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const { limit, cursor, ...filters } = request.query;
        const caller = callerOf(request);
        if (limit !== undefined || cursor !== undefined) {
          const place = { limit: limit ?? LIMITS.sandboxPage.default, ...(cursor !== undefined && { cursor }) };
          const { rows, next } = await sandboxes.page(caller, filters, place);
          return send(
            reply,
            toJson.page({ items: rows.map(toSandbox), ...(next !== undefined && { next_cursor: next }) }),
          );
        }
        if (Object.keys(filters).length > 0) {
          return send(reply, toJson.all((await sandboxes.find(caller, filters)).map(toSandbox)));
        }
        const rows = await sandboxes.list(caller);
        return answerWith(rows, reply, () => toJson.all(rows.map(toSandbox)));
      },
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
      async (request, reply) => {
        const row = await sandboxes.get(callerOf(request), request.params.id);
        return answerWith(row, reply, () => toJson.one(toSandbox(row)));
      },
    );

    app.patch(
      "/v1/sandboxes/:id",
      {
        schema: {
          tags,
          summary: "Change name, metadata, timeout, on_timeout or auto_resume of a sandbox, or renew its lease",
          description:
            "What is left out stays. `metadata` replaces all that was there; `name: null` takes the name away.",
          params: SandboxParams,
          body: UpdateSandbox,
          response: { 200: Sandbox, "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request) => toSandbox(await settings.update(callerOf(request), request.params.id, request.body)),
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

    app.post(
      "/v1/sandboxes/:id/pause",
      {
        schema: {
          tags,
          summary: "Pause a running sandbox to disk; a paused one stays paused",
          params: SandboxParams,
          response: { 200: Sandbox, "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request) => toSandbox(await pausing.pause(callerOf(request), request.params.id)),
    );

    app.post(
      "/v1/sandboxes/:id/resume",
      {
        preValidation: allowNoBody,
        schema: {
          tags,
          summary: "Continue a paused sandbox where it stood; a running one goes on running",
          params: SandboxParams,
          body: ResumeSandbox,
          response: { 200: Sandbox, "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request) =>
        toSandbox(await pausing.resume(callerOf(request), request.params.id, request.body.timeout_sec)),
    );

    app.post(
      "/v1/sandboxes/:id/rollback",
      {
        schema: {
          tags,
          summary: "Return a running sandbox to its last pause; what it did since is lost. A paused one stays as it is",
          params: SandboxParams,
          response: { 200: Sandbox, "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request) => toSandbox(await pausing.rollback(callerOf(request), request.params.id)),
    );

    app.post(
      "/v1/sandboxes/:id/fork",
      {
        preValidation: allowNoBody,
        schema: {
          tags,
          summary: "Start copies of a running sandbox from one stop of it; the sandbox goes on",
          params: SandboxParams,
          body: ForkSandbox,
          response: { 201: Type.Array(ForkResult), "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const count = request.body.count ?? LIMITS.forks.default;
        const results = await forks.fork(callerOf(request), request.params.id, count);
        return reply
          .code(201)
          .send(
            results.map((result) =>
              result instanceof WarrenError
                ? { error: { code: result.code, message: result.message } }
                : { sandbox: toSandbox(result) },
            ),
          );
      },
    );
  };
}
