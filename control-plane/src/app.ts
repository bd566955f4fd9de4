import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyPluginAsyncTypebox, TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { LIMITS } from "@warren/contracts/limits";
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type RawServerDefault } from "fastify";
import { acceptWebSockets } from "./commands/websockets.ts";
import { describeApi } from "./docs/openapi.ts";
import { handleErrors } from "./errors/error-handler.ts";
import { createValidatorCompiler, formatSchemaErrors } from "./errors/validation.ts";
import { type Logger, RequestLog } from "./logging.ts";

/** The HTTP server, or a scope of it, with schemas as types. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** Routes of one feature. */
export type Routes = FastifyPluginAsyncTypebox;

/** The HTTP server without routes: strict validation, the error catalogue, one log line per request. */
export async function createApp(options: { log: Logger; version: string }): Promise<App> {
  const app = Fastify({
    loggerInstance: options.log as FastifyBaseLogger,
    logController: new RequestLog(),
    bodyLimit: LIMITS.jsonBodyBytes,
    // Sockets without a request do not delay the end.
    forceCloseConnections: "idle",
    routerOptions: { ignoreTrailingSlash: false, maxParamLength: 256 },
    schemaErrorFormatter: formatSchemaErrors,
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.setValidatorCompiler(createValidatorCompiler());
  app.decorateRequest("caller", null);
  handleErrors(app);
  await acceptWebSockets(app);
  await describeApi(app, options.version);
  return app;
}
