import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorCode, isErrorCode, WarrenError } from "@warren/contracts/errors";
import { ErrorDetailSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { LIMITS } from "@warren/contracts/limits";
import { isConnectionError } from "./host-connection.ts";

/** Bytes of one message of a host, the longest of which has both outputs of a command; a longer one fails its call. */
export const MOST_MESSAGE_BYTES = 2 * LIMITS.execOutputBytes + LIMITS.chunkBytes;

/** Codes for errors that name none of the catalogue; all others become `agent_error`. */
const FALLBACK_CODES: Partial<Record<Code, ErrorCode>> = {
  [Code.NotFound]: "not_found",
  [Code.InvalidArgument]: "invalid_request",
  [Code.FailedPrecondition]: "conflict",
  // What is too much in any other way has a code of the catalogue.
  [Code.ResourceExhausted]: "too_large",
  // A host agent that is older than this control plane has not all of its calls (docs/compatibility.md).
  [Code.Unimplemented]: "host_outdated",
  [Code.Unavailable]: "host_unavailable",
  // A connection that ends takes its calls along with these codes; whoever cancels a call itself looks at no error.
  [Code.Canceled]: "host_unavailable",
  [Code.Aborted]: "host_unavailable",
};

/** What a client is told of errors whose text may hold internals of the host. */
const FALLBACK_MESSAGES: Partial<Record<ErrorCode, string>> = {
  host_unavailable: "the sandbox's host does not answer; try again shortly",
  host_outdated: "the sandbox's host has an older version of Warren that cannot do this; upgrade its host agent",
  too_large: "the request is larger than the sandbox's host takes",
  agent_error: "the sandbox's host failed to do this; its log says why",
};

/** The error of the catalogue that a failed call to a host agent means. */
export function fromRpcError(error: unknown): WarrenError {
  if (error instanceof WarrenError) return error;
  const rpcError = ConnectError.from(error);
  const named = rpcError.findDetails(ErrorDetailSchema).find((detail) => isErrorCode(detail.code));
  if (named && isErrorCode(named.code)) return new WarrenError(named.code, rpcError.rawMessage, { cause: error });
  if (rpcError.code === Code.DeadlineExceeded) {
    return new WarrenError("agent_error", "the sandbox's host did not answer in time", { cause: error });
  }
  // Nothing that was asked is too large then: the answer is.
  if (rpcError.rawMessage.includes(`readMaxBytes ${MOST_MESSAGE_BYTES}`)) {
    return new WarrenError("agent_error", "the sandbox's host answered more than an answer can have", { cause: error });
  }
  const code = isConnectionFault(error) ? "host_unavailable" : (FALLBACK_CODES[rpcError.code] ?? "agent_error");
  return new WarrenError(code, FALLBACK_MESSAGES[code] ?? rpcError.rawMessage, { cause: error });
}

/** Calls a host agent; throws errors of the catalogue only. */
export async function callHost<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw fromRpcError(error);
  }
}

/** What Node calls a connection that ended before the answer did. */
const BROKEN_CONNECTION = new Set(["ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"]);

/** Whether an error, or what caused it, is one of a system call or of the connection rather than the host's answer. */
function isConnectionFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  if (syscall !== undefined || isConnectionError(error)) return true;
  if (typeof code === "string" && (code.startsWith("ERR_HTTP2_") || BROKEN_CONNECTION.has(code))) return true;
  return isConnectionFault(error.cause);
}

/** How a connection fails that was never there. */
const NO_CONNECTION = new Set(["ECONNREFUSED", "ENOENT", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND", "EAI_AGAIN"]);

/** Whether a failed call has not come to its host: there was no connection to it. */
export function isNeverReached(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  return (typeof code === "string" && NO_CONNECTION.has(code)) || isNeverReached(error.cause);
}
