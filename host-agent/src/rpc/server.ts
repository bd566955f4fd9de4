import { chmod, rm } from "node:fs/promises";
import http2 from "node:http2";
import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { HostAgentService } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { LIMITS } from "@warren/contracts/limits";
import type { Logger } from "pino";
import { errorInterceptor } from "./errors.ts";

/** Bytes that one request may be ahead of its reader. The connection's window stays the default, as at the other end. */
const STREAM_WINDOW = 4 * LIMITS.chunkBytes;

/** The RPC server of the host agent. */
export interface RpcServer {
  close(): Promise<void>;
}

/**
 * Serves the `hostagent` service with HTTP/2 on a unix socket that only root can open. The caller holds the lock of the
 * data directory, so that a socket file that is there already is a left-over.
 */
export async function serve(
  socketPath: string,
  service: ServiceImpl<typeof HostAgentService>,
  log: Logger,
): Promise<RpcServer> {
  const handler = connectNodeAdapter({
    routes: (router: ConnectRouter) => router.service(HostAgentService, service),
    interceptors: [errorInterceptor(log)],
    readMaxBytes: LIMITS.uploadBytes + LIMITS.chunkBytes,
  });
  const server = http2.createServer({ settings: { initialWindowSize: STREAM_WINDOW } }, handler);
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("error", (error) => log.debug({ err: error }, "connection failed"));
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
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}
