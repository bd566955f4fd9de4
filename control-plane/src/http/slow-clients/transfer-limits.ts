import { descriptorLimit } from "@warren/server/descriptors";

/** How slow clients may be, and how much of theirs may be under way at once. */
export interface TransferLimits {
  /** Milliseconds in which the headers of a request must come. */
  headersMs: number;
  /** Milliseconds of waiting for a body in which at least `bodyBytes` must come. */
  bodyMs: number;
  bodyBytes: number;
  /** Milliseconds in which a body that is no upload must come as a whole. */
  wholeBodyMs: number;
  /** Milliseconds in which a client must take at least `takenBytes` of an answer that waits for it. */
  answerMs: number;
  takenBytes: number;
  /** Milliseconds in which it must take something of the output of a command that is streamed: a person may read it. */
  streamMs: number;
  /** The same of a command that lives on without the client: meanwhile it waits, and with it all others who read it. */
  joinedStreamMs: number;
  /** Milliseconds that requests have to end by themselves when the server stops. */
  endMs: number;
  /** Bodies that may be under way at once, of one team and of one network of clients. */
  bodiesPerTeam: number;
  bodiesPerNetwork: number;
  /** Requests and WebSockets that may be under way at once, of one team and of one network. */
  requestsPerTeam: number;
  /** The same of one user for what concerns accounts, keys and members, which counts for no team. */
  requestsPerUser: number;
  requestsPerNetwork: number;
  /** Connections that may be open at once, of one network and of all. */
  connectionsPerNetwork: number;
  connections: number;
  /** Bytes of answers to commands that may wait in memory for their clients, of one team and of all. */
  answerBytes: number;
  answerBytesOfAll: number;
  /** Bytes of uploads that may wait on the server's disk at once, of one team and of one network, and of all. */
  spoolBytes: number;
  spoolBytesOfAll: number;
}

/** Half of what this process may have open is for its files, its database and its hosts. */
const CONNECTIONS = Math.min(16_384, Math.floor(descriptorLimit() / 2));

export const TRANSFER_LIMITS: TransferLimits = {
  headersMs: 20_000,
  bodyMs: 30_000,
  bodyBytes: 30 * 1024,
  wholeBodyMs: 120_000,
  answerMs: 300_000,
  takenBytes: 300 * 1024,
  streamMs: 3_600_000,
  joinedStreamMs: 120_000,
  endMs: 10_000,
  bodiesPerTeam: 128,
  bodiesPerNetwork: 256,
  requestsPerTeam: Math.min(1024, Math.floor(CONNECTIONS / 4)),
  requestsPerUser: Math.min(128, Math.floor(CONNECTIONS / 4)),
  requestsPerNetwork: Math.min(2048, Math.floor(CONNECTIONS / 4)),
  connectionsPerNetwork: Math.min(4096, Math.floor(CONNECTIONS / 2)),
  connections: CONNECTIONS,
  answerBytes: 256 * 1024 ** 2,
  answerBytesOfAll: 1024 ** 3,
  spoolBytes: 1024 ** 3,
  spoolBytesOfAll: 4 * 1024 ** 3,
};
