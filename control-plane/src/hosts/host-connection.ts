import { connect as connectSocket, type Socket } from "node:net";
import { connect as connectTls, type SecureContext, type TLSSocket } from "node:tls";
import { CERTIFICATE_NAMES, type HOST_PROTOCOLS } from "@warren/contracts/host-certificates";
import { toWireId } from "../identifiers/wire-id.ts";
import { type HostPlace, parseHostAddress } from "./host-address.ts";

/** Milliseconds that a connection over a network may take until both ends know each other. */
const CONNECT_LIMIT_MS = 10_000;

/** By what control planes and hosts know each other over a network. */
export interface HostTrust {
  /** What this control plane shows, and the authority that it believes; another one after some hours. */
  secureContext(): Promise<SecureContext>;
}

/** Which host is expected at an address. */
export interface ExpectedHost {
  /** UUID. */
  id: string;
  registration: number;
  trust: HostTrust;
}

/** Opens connections to one host, and none to whoever else is at its address. */
export class HostConnector {
  readonly #place: HostPlace;
  /** Absent for a socket of this machine, which only root can open. */
  readonly #expected: ExpectedHost | undefined;
  #context: SecureContext | undefined;

  /** Throws `invalid_request` for an address that is none. */
  constructor(address: string, expected?: ExpectedHost) {
    this.#place = parseHostAddress(address);
    this.#expected = expected;
  }

  /** Path of the host agent's socket; undefined when it is reached over a network. */
  get socketPath(): string | undefined {
    return "socketPath" in this.#place ? this.#place.socketPath : undefined;
  }

  /** Gets what the next connection needs, which `connect` cannot wait for. */
  async prepare(): Promise<void> {
    if (this.socketPath !== undefined) return;
    if (!this.#expected) throw new Error("nobody knows which host is at this address");
    this.#context = await this.#expected.trust.secureContext();
  }

  /** A connection that is being opened. It fails unless the host is the one that is expected. */
  connect(protocol: (typeof HOST_PROTOCOLS)[keyof typeof HOST_PROTOCOLS]): Socket {
    if ("socketPath" in this.#place) return connectSocket({ path: this.#place.socketPath });
    const { id: uuid, registration } = this.#expected!;
    const id = toWireId("host", uuid);
    const socket = connectTls({
      ...this.#place,
      // Nothing of what a host says of itself is in the first message, which goes to whoever is at its address.
      servername: id,
      ALPNProtocols: [protocol],
      secureContext: this.#context!,
      checkServerIdentity: (_name, { subjectaltname }) =>
        subjectaltname === `URI:${CERTIFICATE_NAMES.host(id, registration)}`
          ? undefined
          : new Error(`the certificate is not that of ${id} in its registration ${registration}`),
    });
    socket.on("error", (error) => faults.add(error));
    return limitConnecting(socket);
  }
}

/** Errors of connections over a network, such as that the host is another one; they have codes of many kinds. */
const faults = new WeakSet<Error>();

/** Whether an error is one of a connection over a network. */
export function isConnectionError(error: Error): boolean {
  return faults.has(error);
}

function limitConnecting(socket: TLSSocket): TLSSocket {
  const late = () => socket.destroy(new Error(`no connection within ${CONNECT_LIMIT_MS / 1000} s`));
  const timer = setTimeout(late, CONNECT_LIMIT_MS);
  const settled = () => clearTimeout(timer);
  return socket.once("secureConnect", settled).once("close", settled);
}
