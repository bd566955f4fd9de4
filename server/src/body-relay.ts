import { Agent, type ClientRequestArgs, type IncomingMessage } from "node:http";
import { type OnReadOpts, Socket } from "node:net";
import type { Duplex, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Least bytes of a body for which a connection is given up. */
const WORTHWHILE = 1024 * 1024;
/** Buffers of one body on its way, and bytes of each. */
const PIECES = 4;
const PIECE_BYTES = 128 * 1024;

/**
 * Where connections that move no body read to; what they read is copied at once. No larger, since all that is read at once
 * is parsed at once: a body in chunks of a byte takes a millisecond for each of these KiB, and nothing else runs meanwhile.
 */
const shared = Buffer.allocUnsafeSlow(16 * 1024);

/** Takes over what a connection reads. `piece` belongs to the taker until it returns it. Tells whether to go on. */
type Taker = (piece: Buffer<ArrayBuffer>, length: number) => boolean;

/** Where a connection reads to. */
class Intake {
  #socket: Socket | undefined;
  #pieces: Buffer<ArrayBuffer>[] = [];
  #current: Buffer<ArrayBuffer> = shared;
  #taker: Taker | undefined;

  readonly onread: OnReadOpts = {
    buffer: () => {
      this.#current = this.#pieces.pop() ?? shared;
      return this.#current;
    },
    callback: (length) => {
      const piece = this.#current;
      const stays = piece === shared ? Buffer.from(piece.subarray(0, length)) : piece;
      return this.#taker ? this.#taker(stays, length) : (this.#socket?.push(stays) ?? false);
    },
  };

  /** The socket that reads with {@link onread}. */
  set socket(socket: Socket) {
    this.#socket = socket;
  }

  /** From now on reads into pieces, and gives them to `taker`. */
  divert(taker: Taker): void {
    this.#taker = taker;
    this.#pieces = Array.from({ length: PIECES }, () => Buffer.allocUnsafeSlow(PIECE_BYTES));
  }

  /** Takes back a piece that was used. */
  give(piece: Buffer<ArrayBuffer>): void {
    if (piece.length === PIECE_BYTES) this.#pieces.push(piece);
  }
}

const intakes = new WeakMap<Socket, Intake>();

/** Connections whose large responses {@link relayBody} can move. */
export class RelayAgent extends Agent {
  override createConnection(
    options: ClientRequestArgs,
    callback?: (error: Error | null, connection: Duplex) => void,
  ): Duplex | null | undefined {
    const intake = new Intake();
    const connectOptions: ClientRequestArgs & { onread: OnReadOpts } = { ...options, onread: intake.onread };
    const connection = super.createConnection(connectOptions, callback);
    if (connection instanceof Socket) {
      intake.socket = connection;
      intakes.set(connection, intake);
    }
    return connection;
  }
}

/** Whether {@link relayBody} does more for a response than a pipeline. */
export function isWorthRelaying(response: IncomingMessage): boolean {
  return intakes.has(response.socket) && Number(response.headers["content-length"] ?? 0) >= WORTHWHILE;
}

/**
 * Moves the body of a response that nobody has read from yet into `destination`, which the caller ends; resolves when it has
 * been given all of it. A failure of either destroys both, so that a body that breaks off is not taken for whole.
 *
 * A large body of known length goes from socket to destination in a few buffers that are used again and again, and takes
 * its connection along. As a stream every piece of it would be allocated twice; the collector, which is driven by the bytes
 * outside of the heap, then takes several times the processor time of moving them.
 */
export async function relayBody(response: IncomingMessage, destination: Writable): Promise<void> {
  const { socket } = response;
  const intake = intakes.get(socket);
  if (!intake || !isWorthRelaying(response)) return pipeline(response, destination, { end: false });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let rest = Number(response.headers["content-length"]);
  let held = 0;
  let done = false;
  const fail = (error: Error) => {
    reject(error);
    response.destroy();
    destination.destroy();
  };
  const brokenOff = () => {
    if (rest > 0) fail(Object.assign(new Error("the body broke off"), { code: "ECONNRESET" }));
  };
  const pass = (bytes: Buffer, passed?: () => void) => {
    rest -= bytes.length;
    const last = rest === 0;
    destination.write(bytes, (error) => {
      passed?.();
      if (!last || error) return;
      done = true;
      resolve();
    });
    // The parser of HTTP has not seen the end, so that the connection is of no more use.
    if (last) response.destroy();
  };
  response.on("error", brokenOff).once("close", brokenOff);
  const closed = () => {
    if (done) return;
    fail(Object.assign(new Error("the destination was closed"), { code: "ERR_STREAM_PREMATURE_CLOSE" }));
  };
  destination.once("error", fail).once("close", closed);
  if (destination.destroyed) {
    closed();
    return promise;
  }
  intake.divert((piece, size) => {
    held += 1;
    pass(piece.subarray(0, Math.min(size, rest)), () => {
      held -= 1;
      intake.give(piece);
      if (rest > 0) socket.resume();
    });
    // One piece is always being read into.
    return rest > 0 && held < PIECES - 1;
  });
  // What waits in the socket goes through the parser, and is then the last that the response itself has.
  while (socket.read() !== null);
  for (let early: Buffer | null = response.read(); early; early = response.read()) pass(early);
  socket.resume();
  return promise;
}
