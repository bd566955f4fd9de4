import type {} from "@fastify/websocket";
import { WarrenError } from "@warren/contracts/errors";
import { EXEC_SUBPROTOCOL, ExecRequest, ExecResult } from "@warren/contracts/rest/commands";
import { ErrorBody } from "@warren/contracts/rest/error";
import { StartedProcess } from "@warren/contracts/rest/processes";
import { SandboxParams } from "@warren/contracts/rest/sandboxes";
import { callerGone } from "@warren/server/caller-gone";
import type { FastifyRequest } from "fastify";
import { callerOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import type { AnswerBudget } from "../http/slow-clients/answer-budget.ts";
import type { TransferLimits } from "../http/slow-clients/transfer-limits.ts";
import type { CommandService } from "./command-service.ts";
import { ExecSession } from "./exec-session.ts";
import type { ProcessService } from "./process-service.ts";

const tags = ["commands"];

const STREAM_DESCRIPTION = `A WebSocket. The client's first frame is \`{"type":"start","cmd":…}\` with the fields of exec and
\`"stdin":true\` when input follows, and \`"terminal":{"cols":80,"rows":24}\` for a terminal, which
\`{"type":"resize","cols":…,"rows":…}\` resizes; or \`{"type":"attach","process":…,"from":…}\`, which joins a command by its
process id or tag, with its output from that byte on, as far as it is kept, or without \`from\` with what comes from now on.
Other later frames are \`{"type":"stdin","data":…,"encoding":"utf-8"|"base64"}\`,
\`{"type":"close_stdin"}\`, \`{"type":"signal","signal":"SIGINT"}\` (any name of signal(7), SIG may be left out),
\`{"type":"timeout","timeout_sec":…}\`, a new time limit that counts from there, and \`{"type":"stop"}\`. The server sends
\`{"type":"start","pid":…,"offset":…}\`, where \`offset\` is the number of bytes of output before what follows,
\`{"type":"stdout"|"stderr","data":…}\` with \`"encoding":"base64"\` when the bytes are not
UTF-8, \`{"type":"refused","code":…,"data":…}\` for a signal, time limit or size that it cannot take, which changes nothing, and
at the end \`{"type":"exit","exit_code":…}\` or \`{"type":"error","code":…,"data":…}\`. Ending the connection ends the command and
all its processes, unless it was started with \`"background":true\` or joined; \`stop\` ends it in any case. With the subprotocol
\`${EXEC_SUBPROTOCOL}\` standard streams travel as binary messages: a byte (1 = stdin or stdout, 2 = stderr), then the bytes.`;

/** Routes that run commands: `exec` and `exec/stream` of a sandbox. */
export function commandRoutes(
  commands: CommandService,
  processes: ProcessService,
  answers: AnswerBudget,
  limits: Pick<TransferLimits, "streamMs" | "joinedStreamMs">,
): Routes {
  return async (app) => {
    app.post(
      "/v1/sandboxes/:id/exec",
      {
        schema: {
          tags,
          summary: "Run a command to its end and get its output, or start it in the background",
          params: SandboxParams,
          body: ExecRequest,
          response: { 200: ExecResult, 202: StartedProcess, "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const caller = callerOf(request);
        const { id } = request.params;
        if (request.body.background) {
          const started = await processes.start(caller, id, request.body);
          reply.header("location", `/v1/sandboxes/${id}/processes/${started.pid}`);
          return reply.code(202).send(started);
        }
        const result = await commands.exec(caller, id, request.body, callerGone(reply.raw));
        answers.hold(caller.teamId, result.stdout.length + result.stderr.length, reply.raw);
        return result;
      },
    );

    app.route({
      method: "GET",
      url: "/v1/sandboxes/:id/exec/stream",
      schema: {
        tags,
        summary: "Run a command, or join one, and stream its input and output",
        description: STREAM_DESCRIPTION,
        params: SandboxParams,
        response: { "4xx": ErrorBody },
      },
      handler: async () => {
        throw new WarrenError("upgrade_required", "this route is a WebSocket; send an upgrade request");
      },
      wsHandler: async (socket, request) => {
        const caller = callerOf(request);
        const { id } = request.params as { id: string };
        const session = new ExecSession(
          socket,
          request.log,
          {
            run: (first, input, consume, signal) => commands.stream(caller, id, first, input, consume, signal),
            end: (pid) => processes.end(caller, id, String(pid)),
          },
          { connection: request.raw.socket, limits },
        );
        const started = performance.now();
        await session.run();
        logStream(request, performance.now() - started);
      },
    });
  };
}

/** The line of the request log that Fastify does not write for a connection it has handed over. */
function logStream(request: FastifyRequest, milliseconds: number): void {
  request.log.info(
    { method: request.method, path: request.url.split("?", 1)[0], status: 101, duration_ms: Math.round(milliseconds) },
    "request",
  );
}
