import type {} from "@fastify/websocket";
import { ErrorBody } from "@warren/contracts/rest/error";
import { Process, Processes, ProcessParams, SignalProcess } from "@warren/contracts/rest/processes";
import { SandboxParams } from "@warren/contracts/rest/sandboxes";
import { Type } from "typebox";
import { INSIDE } from "../auth/access-guard.ts";
import { callerOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import type { TransferLimits } from "../http/slow-clients/transfer-limits.ts";
import type { ProcessService } from "./process-service.ts";
import { serveProcessWatch } from "./process-watch.ts";

const tags = ["commands"];
const errors = { "4xx": ErrorBody, "5xx": ErrorBody };

/** Routes of the commands of a sandbox: those that run, and those of the background that ended a while ago. */
export function processRoutes(processes: ProcessService, limits: Pick<TransferLimits, "joinedStreamMs">): Routes {
  return async (app) => {
    app.route({
      method: "GET",
      url: "/v1/sandboxes/:id/processes",
      config: INSIDE,
      schema: {
        tags,
        summary: "List the commands of a sandbox, or be told when that list changes",
        description:
          "Those that live, however they were started, and those of the background that ended within the last hour; the " +
          "newest last, 1,024 at most. As a WebSocket it says " +
          '`{"type":"changed"}` once at the beginning and then whenever commands have started or ended, at most four times a ' +
          'second, and `{"type":"error","code":…,"data":…}` when it ends, as by a pause.',
        params: SandboxParams,
        response: { 200: Processes, ...errors },
      },
      handler: (request) => processes.list(callerOf(request), request.params.id),
      wsHandler: async (socket, request) => {
        const { id } = request.params as { id: string };
        const caller = callerOf(request);
        await serveProcessWatch(
          { socket, connection: request.raw.socket, log: request.log, stalledMs: limits.joinedStreamMs },
          (tell, signal) => processes.watch(caller, id, tell, signal),
        );
      },
    });

    app.get(
      "/v1/sandboxes/:id/processes/:process",
      {
        config: INSIDE,
        schema: {
          tags,
          summary: "Look a command up by its process id or tag",
          params: ProcessParams,
          response: { 200: Process, ...errors },
        },
      },
      (request) => processes.get(callerOf(request), request.params.id, request.params.process),
    );

    app.post(
      "/v1/sandboxes/:id/processes/:process/signal",
      {
        schema: {
          tags,
          summary: "Send a command a signal",
          description: "404 `process_not_found` when it has ended.",
          params: ProcessParams,
          body: SignalProcess,
          response: { 204: Type.Null(), ...errors },
        },
      },
      async (request, reply) => {
        const { id, process } = request.params;
        await processes.signal(callerOf(request), id, process, request.body.signal);
        return reply.code(204).send(null);
      },
    );

    app.delete(
      "/v1/sandboxes/:id/processes/:process",
      {
        schema: {
          tags,
          summary: "End a command and all its processes",
          description:
            "By SIGTERM, and what lives 5 s later by SIGKILL; the answer comes at once. 404 `process_not_found` when it has " +
            "ended.",
          params: ProcessParams,
          response: { 204: Type.Null(), ...errors },
        },
      },
      async (request, reply) => {
        const { id, process } = request.params;
        await processes.end(callerOf(request), id, process);
        return reply.code(204).send(null);
      },
    );
  };
}
