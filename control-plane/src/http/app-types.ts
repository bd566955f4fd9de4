import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyPluginAsyncTypebox, TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from "fastify";

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

declare module "fastify" {
  interface FastifyInstance {
    /** All routes that were registered, such as `GET /v1/teams/:id`. */
    routes: string[];
  }
}
