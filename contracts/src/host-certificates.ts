/**
 * Names in the certificates of mutual TLS between control planes and host agents: the one alternative name of each, a URI. All are
 * signed by the authority of the installation, for ECDSA keys on P-256, and serve one side of a connection alone: those of hosts the
 * server's, those of control planes the client's.
 */
export const CERTIFICATE_NAMES = {
  controlPlane: "urn:warren:control-plane",
  /** `id` as in the API. `registration` counts the registrations of the host: a certificate of an earlier one is worth nothing. */
  host: (id: string, registration: number) => `urn:warren:host:${id}:${registration}`,
} as const;

/** Protocols that a host agent serves over TLS, as ALPN has them: calls by the one, content of files by the other. */
export const HOST_PROTOCOLS = { calls: "h2", files: "http/1.1" } as const;
