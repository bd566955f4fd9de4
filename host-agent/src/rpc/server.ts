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
  interceptor?: Interceptor;
  /** Content of files, over HTTP/1.1. */
  files: http.RequestListener;
}

/** The server of the host agent. */
export interface RpcServer {
  close(): Promise<void>;
}

/**
 * Serves the `hostagent` service with HTTP/2 and file transfers with HTTP/1.1 on a unix socket that only root can open.
 * The caller holds the lock of the data directory, so that a socket file that is there already is a left-over.
 */
export async function serve(socketPath: string, served: Served, log: Logger): Promise<RpcServer> {
  const open = new Set<{ destroy(): void }>();
  const calls = callServer(served, open, log);
  // A file takes as long as it takes, and an idle connection is the caller's to close: closing it here could meet a
  // request that is on its way.
  const files = http.createServer({ requestTimeout: 0, keepAliveTimeout: 0 }, served.files);
  const server = net.createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", (error) => log.debug({ err: error }, "connection failed"));
    whenProtocolIsKnown(socket, (isHttp2) => {
      // A session has more to end than its socket.
      if (isHttp2) open.delete(socket);
      (isHttp2 ? calls : files).emit("connection", socket);
    });
  });
  await rm(socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, resolve);
  });
  await chmod(socketPath, 0o600);
  return {
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of open) connection.destroy();
      await closed;
    },
  };
}

function callServer({ service, interceptor }: Served, open: Set<{ destroy(): void }>, log: Logger): http2.Http2Server {
  const handler = connectNodeAdapter({
    routes: (router: ConnectRouter) => router.service(HostAgentService, service),
    interceptors: [...(interceptor ? [interceptor] : []), errorInterceptor(log)],
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
