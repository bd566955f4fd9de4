import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { WarrenError } from "@warren/contracts/errors";
import type { WebSocketServer } from "ws";
import type { App } from "../app.ts";
import { errorBody } from "./error-body.ts";

/** What Node calls faults of a request that have a code of their own in the catalogue. */
const FAULTS: Record<string, () => WarrenError> = {
  HPE_HEADER_OVERFLOW: () => new WarrenError("headers_too_large", "the headers of the request are too large"),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: () => new WarrenError("too_large", "the chunk extensions of the body are too large"),
  ERR_HTTP_REQUEST_TIMEOUT: () => new WarrenError("request_timeout", "the headers of the request did not come in time"),
};

/** Answers requests that do not get as far as a route, because HTTP itself is broken, with errors of the catalogue. */
export function answerProtocolErrors(app: App): void {
  /** The last answer on each connection. */
  const answers = new WeakMap<Duplex, ServerResponse>();
  app.server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    answers.set(request.socket, response);
  });
  app.server.on("clientError", (thrown: NodeJS.ErrnoException & { reason?: string }, socket) => {
    const answer = answers.get(socket);
    const underWay = answer !== undefined && !answer.writableFinished;
    if (!socket.writable || thrown.code === "ECONNRESET" || (underWay && answer.headersSent))
      return void socket.destroy();
    const why = thrown.reason ?? thrown.message;
    const fault = FAULTS[thrown.code ?? ""]?.() ?? new WarrenError("invalid_request", `this is not HTTP/1.1: ${why}`);
    app.log.debug({ err: thrown }, "a request could not be parsed");
    answerAndClose(socket, fault);
  });
  app.server.on("connect", (_request: IncomingMessage, socket) => {
    answerAndClose(socket, new WarrenError("method_not_allowed", "this server is no proxy"));
  });
  app.server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) => {
    const { expect } = request.headers;
    const error = new WarrenError("invalid_request", `the server fulfils only "Expect: 100-continue", not "${expect}"`);
    const body = JSON.stringify(errorBody(error));
    response.writeHead(error.status, { ...headersOf(body), connection: "close" }).end(body);
  });
}

/** Answers WebSocket handshakes that are not valid (RFC 6455, section 4.2.1) with errors of the catalogue. */
export function answerHandshakeErrors(server: WebSocketServer): void {
  server.on("wsClientError", (thrown, socket) => {
    answerAndClose(socket, new WarrenError("invalid_request", `this is no WebSocket handshake: ${thrown.message}`), {
      "sec-websocket-version": "13",
    });
  });
}

/**
 * Writes an answer to a connection past the response that it may have under way, of which nothing may have been sent, and
 * closes it. To that response it is as if the client had left.
 */
export function answerAndClose(socket: Duplex, error: WarrenError, more: Record<string, string> = {}): void {
  const body = JSON.stringify(errorBody(error));
  const headers = Object.entries({ ...headersOf(body), connection: "close", ...more });
  const lines = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ];
  socket.on("error", () => undefined);
  socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}

function headersOf(body: string): Record<string, string | number> {
  return { "content-type": "application/json; charset=utf-8", "content-length": Buffer.byteLength(body) };
}
