import { WarrenError } from "@warren/contracts/errors";

/** Bytes that the path of a unix socket may have (`sun_path` of unix(7), which has an end mark too). */
export const SOCKET_PATH_BYTES = 107;

/** Whether a unix socket can be at a path. */
export function isSocketPath(path: string): boolean {
  return Buffer.byteLength(path) <= SOCKET_PATH_BYTES;
}

/** Throws `invalid_request` when a path is too long for a unix socket. */
export function requireSocketPath(path: string): void {
  if (isSocketPath(path)) return;
  throw new WarrenError(
    "invalid_request",
    `the path ${path} is too long for a socket (at most ${SOCKET_PATH_BYTES} bytes); choose a shorter one, or a data directory with a shorter one`,
  );
}
