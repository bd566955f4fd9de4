import type { IncomingMessage } from "node:http";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { LIMITS } from "@warren/contracts/limits";
import Fastify, { type FastifyBaseLogger } from "fastify";
import type { Logger } from "../logging.ts";
import type { App } from "./app-types.ts";
import { describeApi } from "./docs/openapi.ts";
import { answerFrameworkError, handleErrors } from "./errors/error-handler.ts";
import { readJsonBodies } from "./errors/json-body.ts";
import { refuseEncodings } from "./errors/media-type.ts";
import { answerProtocolErrors } from "./errors/protocol-errors.ts";
import { createSerializerCompiler, createValidatorCompiler, formatSchemaErrors } from "./errors/validation.ts";
import { checkHosts, type HostRules } from "./host-check.ts";
import { endMissingBodies } from "./no-body.ts";
import type { OriginRules } from "./origin-check.ts";
import { protectBrowsers } from "./protect-browsers.ts";
import { RequestLog } from "./request-log.ts";
import { RequestLogger } from "./request-logger.ts";
import { secureResponse } from "./security-headers.ts";
import { boundClients } from "./slow-clients/bound-clients.ts";
import type { TransferLimits } from "./slow-clients/transfer-limits.ts";
import { acceptWebSockets } from "./websockets.ts";

/** Settings of the HTTP server. */
export interface AppOptions {
  log: Logger;
  version: string;
  hosts: HostRules;
  transfers: TransferLimits;
  origins: OriginRules;
  /** Addresses and networks of proxies whose word about a client's address is taken. */
  trustedProxies: string[];
}

/** The HTTP server without routes: strict validation, the error catalogue, one log line per request. */
export async function createApp(options: AppOptions): Promise<App> {
  const app = Fastify({
    loggerInstance: new RequestLogger(options.log) as FastifyBaseLogger,
    logController: new RequestLog(options.log),
    bodyLimit: LIMITS.jsonBodyBytes,
    // Sockets without a request do not delay the end.
    forceCloseConnections: "idle",
    // Those that come when it stops are answered by open-requests.ts.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: false, maxParamLength: 256 },
    schemaErrorFormatter: formatSchemaErrors,
    frameworkErrors: answerFrameworkError,
    // The host check answers for a missing Host header. Upgrades to anything but a WebSocket may be ignored (RFC 9110,
    // section 7.8).
    http: {
      requireHostHeader: false,
      ServerResponse: secureResponse(options.origins.publicUrl?.startsWith("https:") ?? false),
      shouldUpgradeCallback: isWebSocket,
      // Whoever reads a body that does not come is given one by no-body.ts.
      optimizeEmptyRequests: true,
      headersTimeout: options.transfers.headersMs,
      connectionsCheckingInterval: Math.max(10, options.transfers.headersMs / 4),
    },
    // Faults of HTTP itself are answered by errors/protocol-errors.ts.
    clientErrorHandler: () => undefined,
    trustProxy: options.trustedProxies.length > 0 ? options.trustedProxies : false,
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.setValidatorCompiler(createValidatorCompiler());
  app.setSerializerCompiler(createSerializerCompiler());
  app.decorateRequest("caller", null);
  app.decorate("routes", []);
  app.addHook("onRoute", ({ method, url }) => {
    app.routes.push(...[method].flat().map((name) => `${name} ${url}`));
  });
  handleErrors(app);
  answerProtocolErrors(app);
  readJsonBodies(app);
  await acceptWebSockets(app);
  // After the hook that notes which requests are for WebSockets, whose connections end with their refusals.
  checkHosts(app, options.hosts);
  boundClients(app, { ...options.transfers, trustedProxies: options.trustedProxies });
  refuseEncodings(app);
  endMissingBodies(app);
  await protectBrowsers(app, options.origins);
  await describeApi(app, options.version);
  return app;
}

function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === "websocket";
}
