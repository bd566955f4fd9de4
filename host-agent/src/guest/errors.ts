import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorCode, WarrenError } from "@warren/contracts/errors";

/**
 * Codes with which the guest agent refuses to start a command. Others would say of the sandbox, or of its caller, what only
 * the host knows.
 */
const CODE_OF_RPC: Partial<Record<Code, ErrorCode>> = {
  [Code.InvalidArgument]: "invalid_request",
  // A user whom the image does not have.
  [Code.Unauthenticated]: "invalid_request",
  [Code.Unavailable]: "guest_unreachable",
  [Code.ResourceExhausted]: "guest_exhausted",
};

const NETWORK_ERRORS = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  "EPIPE",
  "ENOENT",
]);

/** Turns what a call to the guest agent threw into an error of the catalogue. */
export function guestError(error: unknown): WarrenError {
  if (error instanceof WarrenError) return error;
  if (error instanceof ConnectError) {
    if (isNetworkError(error.cause)) return unreachable(error);
    const code = CODE_OF_RPC[error.code] ?? "agent_error";
    return new WarrenError(code, error.rawMessage, { cause: error });
  }
  if (isNetworkError(error)) return unreachable(error);
  return new WarrenError("agent_error", "the guest agent gave an answer that could not be read", { cause: error });
}

/** Turns an HTTP answer of the guest agent's file endpoints into an error of the catalogue. */
export function guestHttpError(status: number, message: string): WarrenError {
  switch (status) {
    case 400:
      return new WarrenError("invalid_path", message);
    case 401:
      return new WarrenError("invalid_request", message);
    case 403:
      return new WarrenError(
        "file_forbidden",
        `${message}. Name another user, such as root, to use that user's rights`,
      );
    case 404:
      return new WarrenError("file_not_found", message);
    case 409:
      return new WarrenError("conflict", message);
    case 413:
      return new WarrenError("too_large", message);
    case 415:
      return new WarrenError("invalid_request", message);
    case 422:
      return new WarrenError("file_error", message);
    case 507:
      return new WarrenError("disk_full", "the disk of the sandbox is full; remove files in it first");
    default:
      return new WarrenError("agent_error", `the guest agent answered ${status}: ${message}`);
  }
}

/** What answers in the guest does what no guest agent does. */
export function refused(what: string): WarrenError {
  return new WarrenError("agent_error", `the guest agent's answer was given up: ${what}`);
}

/** The guest agent does not answer. */
export function unreachable(cause?: unknown): WarrenError {
  return new WarrenError(
    "guest_unreachable",
    "the sandbox does not answer; its system may be overloaded or have stopped. Destroying it still works",
    { cause },
  );
}

function isNetworkError(error: unknown): boolean {
  return error instanceof Error && NETWORK_ERRORS.has((error as NodeJS.ErrnoException).code ?? "");
}
