import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { WarrenError } from "@warren/contracts/errors";
import type { WebSocketServer } from "ws";
import type { App } from "../app-types.ts";
import { errorBody } from "./error-body.ts";

/** What Node says of a request that it could not parse. */
interface ParseError extends NodeJS.ErrnoException {
  reason?: string;
  /** What came last on the connection, and how much of it was parsed. */
  rawPacket?: Buffer;
  bytesParsed?: number;
}

/** What Node calls faults of a request that have a code of their own in the catalogue. */
const FAULTS: Record<string, (thrown: ParseError) => WarrenError | undefined> = {
  HPE_HEADER_OVERFLOW: () => new WarrenError("headers_too_large", "the headers of the request are too large"),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: () => new WarrenError("too_large", "the chunk extensions of the body are too large"),
  HPE_INVALID_METHOD: (thrown) => {
    const method = unknownMethod(thrown);
    return method === undefined ? undefined : notImplemented(`the server knows no method ${method}`);
  },
  ERR_HTTP_REQUEST_TIMEOUT: () => new WarrenError("request_timeout", "the headers of the request did not come in time"),
};

/** The last answer on a connection. A map by connection would be searched with every request. */
const ANSWER = Symbol("last answer on a connection");

type AnsweringSocket = Duplex & { [ANSWER]?: ServerResponse };

/** Answers requests that do not get as far as a route, because HTTP itself is broken, with errors of the catalogue. */
export function answerProtocolErrors(app: App): void {
  app.server.on("request", ({ socket }: { socket: AnsweringSocket }, response: ServerResponse) => {
    socket[ANSWER] = response;
  });
  app.server.on("clientError", (thrown: ParseError, socket: AnsweringSocket) => {
    const answer = socket[ANSWER];
    const underWay = answer !== undefined && !answer.writableFinished;
    if (!socket.writable || thrown.code === "ECONNRESET" || (underWay && answer.headersSent))
      return void socket.destroy();
    const why = thrown.reason ?? thrown.message;
    const fault =
      FAULTS[thrown.code ?? ""]?.(thrown) ?? new WarrenError("invalid_request", `this is not HTTP/1.1: ${why}`);
    app.log.debug({ err: thrown }, "a request could not be parsed");
    answerAndClose(socket, fault);
  });
  app.server.on("connect", (_request: IncomingMessage, socket) => {
    answerAndClose(socket, notImplemented("this server is no proxy and takes no CONNECT"));
  });
  app.server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) => {
    const { expect } = request.headers;
    const error = new WarrenError("invalid_request", `the server fulfils only "Expect: 100-continue", not "${expect}"`);
    const body = JSON.stringify(errorBody(error));
    response.writeHead(error.status, { ...headersOf(body), connection: "close" }).end(body);
  });
}

/** The line of a request: its method, its target and the version (RFC 9112, section 3). */
const REQUEST_LINE = /^([\w!#$%&'*+.^`|~-]{1,64}) \S+ HTTP\/\d\.\d$/;

/** The method of a request that is one but for that; undefined where the bytes are none. */
function unknownMethod({ rawPacket, bytesParsed = 0 }: ParseError): string | undefined {
  const text = rawPacket?.toString("latin1") ?? "";
  // Requests before it may have come with it.
  const start = text.lastIndexOf("\n", bytesParsed) + 1;
  return REQUEST_LINE.exec(text.slice(start).split("\r\n", 1)[0]!)?.[1];
}

function notImplemented(message: string): WarrenError {
  return new WarrenError("method_not_implemented", message);
}

/** Answers WebSocket handshakes that are not valid (RFC 6455, section 4.2.1) with errors of the catalogue. */
export function answerHandshakeErrors(server: WebSocketServer): void {
  server.on("wsClientError", (thrown, socket) => {
    answerAndClose(socket, new WarrenError("invalid_request", `this is no WebSocket handshake: ${thrown.message}`), {
      "sec-websocket-version": "13",
    });
  });
}

/** Ends a request with an error, which its client is told unless the answer has begun. */
export function breakOff(socket: Duplex, response: ServerResponse, error: WarrenError): void {
  // An earlier request on the connection may have its answer still to come.
  const mayAnswer = !response.headersSent && response.socket === socket && socket.writable;
  if (mayAnswer) answerAndClose(socket, error);
  else socket.destroy(error);
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
