import type { Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { CERTIFICATE_NAMES, HOST_PROTOCOLS } from "@warren/contracts/host-certificates";
import type { Logger } from "pino";
import { Connections, closeServer, listening, type RpcServer, type Served } from "./server.ts";

/** Milliseconds that a caller has until it has shown who it is. */
const HANDSHAKE_LIMIT_MS = 10_000;
/** Connections at a time of callers who have not: the oldest goes for another one, so that nobody is shut out by those who wait. */
const MOST_STRANGERS = 256;

/** By what a host and its control plane know each other; PEM. */
export interface HostIdentity {
  key: string;
  certificate: string;
  /** Who has signed the certificate, and signs those of control planes. */
  authority: string;
}

/** A server at a port, for the control planes that a host belongs to alone. */
export interface SecureServer extends RpcServer {
  /** Takes up another identity. Without one it serves nobody, and with another authority nobody whom it has served. */
  become(identity: HostIdentity | undefined): void;
}

/** Serves what {@link Served} is over mutual TLS; ALPN tells calls and files apart. */
export async function serveSecurely(
  place: { host: string; port: number },
  served: Served,
  log: Logger,
): Promise<SecureServer> {
  const connections = new Connections(served, log);
  let identity: HostIdentity | undefined;
  const server = createServer({
    ALPNProtocols: Object.values(HOST_PROTOCOLS),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
    handshakeTimeout: HANDSHAKE_LIMIT_MS,
  });
  const strangers = new Map<string, Socket>();
  const shakeHands = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    if (!identity) return void socket.destroy();
    const caller = callerOf(socket);
    strangers.set(caller, socket);
    if (strangers.size > MOST_STRANGERS) strangers.values().next().value?.destroy();
    socket.once("close", () => strangers.delete(caller));
    for (const listener of shakeHands) listener.call(server, socket);
  });
  server.on("tlsClientError", (error, socket) => {
    log.debug({ err: error, from: socket.remoteAddress }, "a caller has not shown that it is a control plane");
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    strangers.delete(callerOf(socket));
    connections.add(socket);
    if (isControlPlane(socket)) return connections.serve(socket, socket.alpnProtocol === HOST_PROTOCOLS.calls);
    log.warn({ from: socket.remoteAddress }, "a caller has a certificate that is no control plane's");
    socket.destroy();
  });
  await listening(server, place);
  return {
    become(next) {
      if (next?.authority !== identity?.authority) connections.break();
      identity = next;
      if (next)
        server.setSecureContext({ key: next.key, cert: next.certificate, ca: next.authority, minVersion: "TLSv1.3" });
    },
    close: () => closeServer(server, connections),
  };
}

/** Whether the certificate of a caller, whose signature was checked, is a control plane's. */
function isControlPlane(socket: TLSSocket): boolean {
  return (
    socket.authorized && socket.getPeerX509Certificate()?.subjectAltName === `URI:${CERTIFICATE_NAMES.controlPlane}`
  );
}

function callerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
