import { chmod, rm } from "node:fs/promises";
import http from "node:http";
import http2 from "node:http2";
import net, { type Socket } from "node:net";
import type { ConnectRouter, Interceptor, ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { HostAgentService } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { LIMITS } from "@warren/contracts/limits";
import type { Logger } from "pino";
import { errorInterceptor } from "./errors.ts";

/** Bytes that one request may be ahead of its reader. The connection's window stays the default, as at the other end. */
const STREAM_WINDOW = 4 * LIMITS.chunkBytes;
/** How every HTTP/2 connection begins (RFC 9113, section 3.4), and no method of HTTP/1.1 that is served here. */
const HTTP2_PREFACE = Buffer.from("PRI");

/** What is served on one address. */
export interface Served {
  /** Calls, over HTTP/2. */
  service: ServiceImpl<typeof HostAgentService>;
  /** Told of each call, and of the error that it ends with. */
  interceptors?: Interceptor[];
  /** Content of files, over HTTP/1.1. */
  files: http.RequestListener;
}

/** The server of the host agent. */
export interface RpcServer {
  close(): Promise<void>;
}

/** What is served to connections, however they come. */
export class Connections {
  readonly #open = new Set<{ destroy(): void }>();
  readonly #calls: http2.Http2Server;
  readonly #files: http.Server;
  readonly #log: Logger;

  constructor(served: Served, log: Logger) {
    this.#log = log;
    this.#calls = callServer(served, this.#open, log);
    // A file takes as long as it takes, and an idle connection is the caller's to close: closing it here could meet a
    // request that is on its way.
    this.#files = http.createServer({ requestTimeout: 0, keepAliveTimeout: 0 }, served.files);
  }

  /** Keeps hold of a connection that was accepted. */
  add(socket: Socket): void {
    this.#open.add(socket);
    socket.on("close", () => this.#open.delete(socket));
    socket.on("error", (error) => this.#log.debug({ err: error }, "connection failed"));
  }

  /** Serves a connection that was added. */
  serve(socket: Socket, isHttp2: boolean): void {
    // A session has more to end than its socket.
    if (isHttp2) this.#open.delete(socket);
    (isHttp2 ? this.#calls : this.#files).emit("connection", socket);
  }

  /** Breaks all of them. */
  break(): void {
    for (const connection of this.#open) connection.destroy();
  }
}

/**
 * Serves the `hostagent` service with HTTP/2 and file transfers with HTTP/1.1 on a unix socket that only root can open.
 * The caller holds the lock of the data directory, so that a socket file that is there already is a left-over.
 */
export async function serve(socketPath: string, served: Served, log: Logger): Promise<RpcServer> {
  const connections = new Connections(served, log);
  const server = net.createServer((socket) => {
    connections.add(socket);
    whenProtocolIsKnown(socket, (isHttp2) => connections.serve(socket, isHttp2));
  });
  await rm(socketPath, { force: true });
  await listening(server, { path: socketPath });
  await chmod(socketPath, 0o600);
  return { close: () => closeServer(server, connections) };
}

/** Has a server listen; rejects when it cannot. */
export async function listening(server: net.Server, place: net.ListenOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(place, resolve);
  });
}

/** Ends a server and its connections at once. */
export async function closeServer(server: net.Server, connections: Connections): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  connections.break();
  await closed;
}

function callServer(
  { service, interceptors = [] }: Served,
  open: Set<{ destroy(): void }>,
  log: Logger,
): http2.Http2Server {
  const handler = connectNodeAdapter({
    routes: (router: ConnectRouter) => router.service(HostAgentService, service),
    interceptors: [...interceptors, errorInterceptor(log)],
    readMaxBytes: LIMITS.uploadBytes + LIMITS.chunkBytes,
  });
  const server = http2.createServer({ settings: { initialWindowSize: STREAM_WINDOW } }, handler);
  server.on("session", (session) => {
    open.add(session);
    session.on("close", () => open.delete(session));
    session.on("error", (error) => log.debug({ err: error }, "connection failed"));
  });
  return server;
}

/** Reads the first bytes of a connection, and gives them back to it for the server that `then` hands it to. */
function whenProtocolIsKnown(socket: Socket, then: (isHttp2: boolean) => void): void {
  let head = Buffer.alloc(0);
  const look = (bytes: Buffer) => {
    head = Buffer.concat([head, bytes]);
    const compared = Math.min(head.length, HTTP2_PREFACE.length);
    const isHttp2 = head.compare(HTTP2_PREFACE, 0, compared, 0, compared) === 0;
    if (isHttp2 && head.length < HTTP2_PREFACE.length) return;
    socket.off("data", look);
    socket.pause();
    socket.unshift(head);
    then(isHttp2);
    // A session of HTTP/2 takes what was read already by itself.
    if (!isHttp2) socket.resume();
  };
  socket.on("data", look);
}
