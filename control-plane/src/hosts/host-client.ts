import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { HostAgentService } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { HOST_PROTOCOLS } from "@warren/contracts/host-certificates";
import { type ExpectedHost, HostConnector } from "./host-connection.ts";
import { HostFiles } from "./host-files.ts";
import { MOST_MESSAGE_BYTES } from "./rpc-errors.ts";

/** Typed calls to one host agent. */
export type HostAgent = Client<typeof HostAgentService>;

/** Connections to one host agent; they open with the first call and again after a loss. */
export interface HostClient {
  readonly address: string;
  readonly agent: HostAgent;
  readonly files: HostFiles;
  /** Breaks the connections and every call on them. */
  close(): void;
}

/**
 * Bytes that one answer may be ahead of its reader. The window of the connection stays at the 64 KiB of RFC 9113: Node
 * reads nothing while it waits to write, so that two ends whose windows exceed what the socket buffers hold wait for each
 * other for ever. Node gives that window back as data arrive, read or not, so that it holds no stream up.
 */
const STREAM_WINDOW = 1024 * 1024;
/** Megabytes of unread data that a session may hold before it refuses new streams (10 by default). */
const SESSION_MEMORY_MB = 1024;
/** Milliseconds between signs of life on a connection with open calls, and the wait for an answer to one. */
const PING_INTERVAL_MS = 20_000;
const PING_TIMEOUT_MS = 10_000;

/** Client of the agent at `unix:PATH`, or at `https://HOST:PORT` where it must be the host that is expected. */
export function createHostClient(address: string, expected?: ExpectedHost): HostClient {
  const connector = new HostConnector(address, expected);
  // The authority of a unix socket has no meaning beyond the Host header.
  const baseUrl = connector.socketPath === undefined ? address : "http://agent";
  const sessions = new Http2SessionManager(
    baseUrl,
    { pingIntervalMs: PING_INTERVAL_MS, pingTimeoutMs: PING_TIMEOUT_MS },
    {
      settings: { initialWindowSize: STREAM_WINDOW, enablePush: false },
      maxSessionMemory: SESSION_MEMORY_MB,
      createConnection: () => connector.connect(HOST_PROTOCOLS.calls),
    },
  );
  const transport = createConnectTransport({
    baseUrl,
    httpVersion: "2",
    useBinaryFormat: true,
    // Compression costs more time than it saves on the way to a host.
    acceptCompression: [],
    readMaxBytes: MOST_MESSAGE_BYTES,
    sessionManager: prepared(sessions, connector),
  });
  const files = new HostFiles(connector);
  const close = () => {
    sessions.abort();
    files.close();
  };
  return { address, agent: createClient(HostAgentService, transport), files, close };
}

/**
 * Has what the connections of a manager need when it opens one, and gives each a listener for errors. The manager takes its own away when it is told to abort; the
 * error of a connection that the host has just ended comes after that, and without a listener it would end the process.
 */
function prepared(sessions: Http2SessionManager, connector: HostConnector) {
  const seen = new WeakSet<object>();
  return {
    authority: sessions.authority,
    request: async (...parameters: Parameters<Http2SessionManager["request"]>) => {
      await connector.prepare();
      const stream = await sessions.request(...parameters);
      const { session } = stream;
      if (session && !seen.has(session)) {
        seen.add(session);
        session.on("error", () => undefined);
      }
      return stream;
    },
    notifyResponseByteRead: sessions.notifyResponseByteRead.bind(sessions),
    abort: sessions.abort.bind(sessions),
  };
}
