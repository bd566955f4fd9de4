import type { ClientRequest, IncomingMessage } from "node:http";
import { pipeline } from "node:stream/promises";

/**
 * Sends the body of a request and resolves with the head of its answer, which a server that refuses the body gives before it
 * has read all of it, or without reading any. What is left is then not sent, and the connection goes with the answer, whose
 * body the caller reads to its end or destroys. Rejects, with the connection broken, when the body's source fails, with its
 * error, and when there is no answer. Nothing is taken from the source that the connection has no room for.
 *
 * This stands on Node's own client. undici was tried beside it: it takes such answers as well and no more of them (of 200
 * from a server that closes its connection unread, 21 came to it and 27 here), loads for 140 ms and more, and has no place
 * for what else the servers' connections do: the buffers of {@link RelayAgent}, and bounds on what a guest may answer.
 */
export async function sendBody(
  request: ClientRequest,
  answer: Promise<IncomingMessage>,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<IncomingMessage> {
  const sent = pipeline(body, request);
  try {
    const response = await Promise.race([answer, sent.then(() => answer)]);
    response.once("close", () => request.writableFinished || request.destroy());
    return response;
  } catch (error) {
    request.destroy();
    throw error;
  }
}
