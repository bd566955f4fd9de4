import type { Socket } from "node:net";
import { WarrenError } from "@warren/contracts/errors";
import type { ProcessesFrame } from "@warren/contracts/rest/processes";
import type { FastifyBaseLogger } from "fastify";
import type { WebSocket } from "ws";
import { toCatalogueError } from "../http/errors/catalogue-error.ts";
import { SocketSender } from "./socket-sender.ts";

/** Status codes of the closing handshake (RFC 6455, section 7.4.1). */
const CLOSE = { policy: 1008, internal: 1011 } as const;

/** What a watch of the commands of a sandbox needs of its connection. */
export interface WatchConnection {
  socket: WebSocket;
  /** The one below the socket. */
  connection: Socket;
  log: FastifyBaseLogger;
  /** After so many milliseconds a client is cut off that takes nothing of what it is told. */
  stalledMs: number;
}

/** Tells a client of each change until it leaves, or `watch` fails; it is then told why. Never rejects. */
export async function serveProcessWatch(
  { socket, connection, log, stalledMs }: WatchConnection,
  watch: (tell: () => Promise<void>, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const sender = new SocketSender(socket);
  const left = new AbortController();
  socket.on("close", () => left.abort());
  // Nothing is asked of it.
  socket.on("message", () => socket.close(CLOSE.policy, "invalid_request"));
  const stopPings = sender.keepAlive();
  const stopWatch = sender.watch(connection, stalledMs, () => left.abort(new WarrenError("request_timeout", STALLED)));
  const send = (frame: ProcessesFrame) => sender.send(JSON.stringify(frame));
  try {
    await watch(() => send({ type: "changed" }), left.signal);
  } catch (thrown) {
    const reason = left.signal.aborted && left.signal.reason instanceof WarrenError ? left.signal.reason : thrown;
    if (socket.readyState !== socket.OPEN) return;
    const error = toCatalogueError(reason);
    if (error.status >= 500) log.error({ err: reason, code: error.code }, "a watch of commands failed");
    send({ type: "error", code: error.code, data: error.message }).catch(() => undefined);
    socket.close(error.status >= 500 ? CLOSE.internal : CLOSE.policy, error.code);
  } finally {
    stopPings();
    stopWatch();
    left.abort();
  }
}

const STALLED = "the client took nothing of what it was told";
