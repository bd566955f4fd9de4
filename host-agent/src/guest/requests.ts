import http, { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import { Allowance } from "./allowance.ts";
import { BoundedBytes } from "./bounded-bytes.ts";
import type { GuestConnections } from "./connections.ts";
import { guestError, refused, unreachable } from "./errors.ts";
import type { Hold } from "./held.ts";

/** Bytes of all headers of an answer, and of all its trailers. */
const MAX_HEADERS = 16 * 1024;
/** Interim answers (status 1xx) before the answer. The guest agent sends none. */
const MAX_INTERIM = 8;
/** Bytes around the chunks of a body that it may begin with, and that more of them may come each second. */
const CUTS_AT_ONCE = 4096;
const CUTS_PER_SECOND = 1024;
/** A part of the bytes in the chunks, beyond which those around them count. The guest agent has 7 around the 43 of a byte of output. */
const CUTS_SHARE = 4;

/** A request to the guest agent. */
export interface GuestRequest {
  method: "GET" | "POST";
  path: string;
  headers?: OutgoingHttpHeaders;
  signal?: AbortSignal | undefined;
}

/** A whole answer of bounded size. */
export interface GuestAnswer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** HTTP requests to one guest agent. Whatever answers there is taken for an enemy's. */
export class GuestRequests {
  readonly #host: string;
  readonly #port: number;
  readonly #agent: GuestConnections;
  /** Access token that the guest agent knows, empty before its first init. */
  token: string;

  constructor(host: string, port: number, token: string, agent: GuestConnections) {
    this.#host = host;
    this.#port = port;
    this.#agent = agent;
    this.token = token;
  }

  /**
   * Begins a request; the caller writes and ends its body. The answer has no content coding, bounded headers, and comes or
   * fails: with `guest_unreachable` when the connection fails or `signal` aborts.
   */
  open({ method, path, headers, signal }: GuestRequest): { request: ClientRequest; answer: Promise<IncomingMessage> } {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    promise.catch(() => undefined);
    const request = http.request({
      host: this.#host,
      port: this.#port,
      method,
      path,
      agent: this.#agent,
      maxHeaderSize: MAX_HEADERS,
      headers: { "x-access-token": this.token, "accept-encoding": "identity", ...headers },
    });
    // Not an option of the request: Node would bind the connection to it, which outlives the request and is used again.
    let response: IncomingMessage | undefined;
    const giveUp = () => {
      reject(unreachable(signal?.reason));
      response?.destroy();
      request.destroy();
    };
    if (signal?.aborted) giveUp();
    signal?.addEventListener("abort", giveUp, { once: true });
    let interim = 0;
    request.on("information", () => {
      interim += 1;
      // Those that came with it are told of as well, though the connection is broken already.
      if (interim === MAX_INTERIM + 1) request.destroy(refused("it sends interim answers without end"));
    });
    request.on("response", (answer) => {
      response = answer;
      const coding = answer.headers["content-encoding"] ?? "identity";
      if (coding === "identity") return resolve(answer);
      request.destroy();
      reject(refused("its content is encoded"));
    });
    request.on("error", (error) => reject(signal?.aborted ? unreachable(error) : guestError(error)));
    // Covers what is no error to Node: a connection that the guest wants to use for another protocol.
    request.on("close", () => {
      signal?.removeEventListener("abort", giveUp);
      reject(refused("it did not come"));
    });
    return { request, answer: promise };
  }

  /** Asks for an answer of at most `maxBytes`, which has come as a whole before `signal` aborts; `hold` counts what came. */
  async ask(
    request: GuestRequest & { signal: AbortSignal },
    maxBytes: number,
    body?: Buffer | string,
    hold?: Hold,
  ): Promise<GuestAnswer> {
    const { request: sent, answer } = this.open(request);
    sent.end(body);
    const response = await answer;
    try {
      const whole = await readWhole(response, maxBytes, hold);
      return { status: response.statusCode ?? 0, headers: response.headers, body: whole };
    } catch (error) {
      throw request.signal.aborted ? unreachable(error) : guestError(error);
    }
  }
}

/**
 * The body of an answer as it comes, in pieces as large as they have grown. Throws, and breaks the connection, when it is cut
 * so small on its way that it takes a multiple of its bytes: each cut costs as much time as thousands of bytes do.
 */
export async function* bodyOf(response: IncomingMessage): AsyncGenerator<Buffer> {
  const { socket } = response;
  const cuts = new Allowance(CUTS_AT_ONCE, CUTS_PER_SECOND);
  let before: number | undefined;
  for await (const first of response as AsyncIterable<Buffer>) {
    const piece = withRest(first, response);
    const parsed = socket.bytesRead - socket.readableLength;
    // What came first has the headers.
    const around = parsed - (before ?? parsed) - piece.length;
    if (!cuts.take(Math.max(0, around - piece.length / CUTS_SHARE))) throw refused("its body comes in tiny pieces");
    before = parsed;
    yield piece;
  }
}

/** The first piece of a body with those that have come since; a stream gives out one of them at a time. */
function withRest(first: Buffer, body: IncomingMessage): Buffer {
  const pieces = [first];
  for (let next: Buffer | null = body.read(); next; next = body.read()) pieces.push(next);
  return pieces.length === 1 ? first : Buffer.concat(pieces);
}

/** The whole body of an answer. Throws, and breaks the connection, when it is longer than `maxBytes` or `hold` throws. */
export async function readWhole(response: IncomingMessage, maxBytes: number, hold?: Hold): Promise<Buffer> {
  const body = new BoundedBytes(maxBytes);
  for await (const piece of bodyOf(response)) {
    hold?.(piece.length);
    // Ends the loop, which destroys the response and its connection.
    if (body.add(piece) < piece.length) throw refused(`its body is longer than ${maxBytes} bytes`);
  }
  return body.whole();
}
