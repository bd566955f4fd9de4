import type { IncomingMessage, ServerResponse } from "node:http";

/**
 * A signal that is aborted when the caller hangs up before its answer is complete. The `close` event of a request, and
 * with it Fastify's `request.signal`, already comes when the body has been read.
 */
export function callerGone(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
}

/** What the kernel says of a connection whose other end is gone. */
const LEFT = ["ECONNRESET", "EPIPE"];

/** Whether it was the caller that ended the connection of a request. */
export function hasLeft({ socket }: IncomingMessage): boolean {
  return socket.readableEnded || LEFT.includes((socket.errored as NodeJS.ErrnoException | null)?.code ?? "");
}
