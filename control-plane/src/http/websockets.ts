import websocket from "@fastify/websocket";
import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import { EXEC_SUBPROTOCOL } from "@warren/contracts/rest/commands";
import type { App } from "./app-types.ts";
import { answerHandshakeErrors } from "./errors/protocol-errors.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Set on routes that are WebSockets. */
    isWebSocket?: boolean;
  }
}

/** Bytes of one message of a client: a chunk in base64 and what surrounds it. */
const MAX_MESSAGE = 2 * LIMITS.chunkBytes;
/** Closing status of a server that ends (RFC 6455, section 7.4.1). */
const GOING_AWAY = 1001;
/** Milliseconds that clients have to answer the closing handshake of a server that ends. */
const CLOSE_TIMEOUT_MS = 2000;

/** Lets routes be WebSockets. Those that are open when the server ends are closed first. */
export async function acceptWebSockets(app: App): Promise<void> {
  await app.register(websocket, {
    options: {
      maxPayload: MAX_MESSAGE,
      perMessageDeflate: false,
      handleProtocols: (offered: Set<string>) => (offered.has(EXEC_SUBPROTOCOL) ? EXEC_SUBPROTOCOL : false),
    },
    errorHandler: (error, socket, request) => {
      request.log.debug({ err: error }, "a WebSocket broke");
      socket.terminate();
    },
    preClose(this: App, done: () => void) {
      const { clients } = this.websocketServer;
      for (const client of clients) client.close(GOING_AWAY, "the server ends");
      const timer = setTimeout(() => {
        for (const client of clients) client.terminate();
      }, CLOSE_TIMEOUT_MS);
      this.websocketServer.close(() => clearTimeout(timer));
      done();
    },
  });
  answerHandshakeErrors(app.websocketServer);
  refuseElsewhere(app);
}

/** Refuses WebSockets on routes that are none, which the library would open and close again. */
function refuseElsewhere(app: App): void {
  app.addHook("onRoute", (route) => {
    if (route.wsHandler) route.config = { ...route.config, isWebSocket: true };
  });
  app.addHook("onRequest", (request, _reply, done) => {
    if (request.ws && !request.is404 && !request.routeOptions.config.isWebSocket) {
      throw new WarrenError("invalid_request", "this route is no WebSocket; send the request without Upgrade");
    }
    done();
  });
}
