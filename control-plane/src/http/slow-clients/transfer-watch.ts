import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { WarrenError } from "@warren/contracts/errors";
import { sendQueueOf } from "./send-queue.ts";
import type { TransferLimits } from "./transfer-limits.ts";
import { whenOver } from "./when-over.ts";

/** A request whose body or answer is under way, maybe the rest of a body that nobody waits for. */
interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  /** When the request began, or its answer was over before its body. */
  startedAt: number;
  isAnswered: boolean;
  /** When the present window for the body began, and what had come on the connection until then. */
  bodySince: number;
  bytesRead: number;
  /** When the present window for the answer began, and what the client had taken until then; unknown until the first check. */
  answerSince: number;
  taken: number | undefined;
}

/** Ends requests whose clients send a body too slowly, or do not take their answer. */
export class TransferWatch {
  readonly #limits: TransferLimits;
  readonly #exchanges = new Set<Exchange>();

  constructor(limits: TransferLimits) {
    this.#limits = limits;
  }

  /** Milliseconds between two checks. */
  get intervalMs(): number {
    const { bodyMs, wholeBodyMs, answerMs } = this.#limits;
    return Math.max(10, Math.min(bodyMs, wholeBodyMs, answerMs) / 10);
  }

  /** Watches an exchange until its answer is over and its body has come. `now` is in milliseconds, as for `check`. */
  add(request: IncomingMessage, response: ServerResponse, now = performance.now()): void {
    // Asking the connection takes longer than all else here.
    const bytesRead = bringsBody(request) ? request.socket.bytesRead : 0;
    const since = { startedAt: now, bodySince: now, answerSince: now };
    const exchange: Exchange = { request, response, ...since, isAnswered: false, bytesRead, taken: undefined };
    this.#exchanges.add(exchange);
    whenOver(response, () => {
      exchange.isAnswered = true;
      if (isEnded(exchange)) this.#exchanges.delete(exchange);
      else exchange.startedAt = performance.now();
    });
  }

  /** Looks at all exchanges and ends those that are too slow. */
  check(now = performance.now()): void {
    for (const exchange of this.#exchanges) {
      if (isEnded(exchange)) this.#exchanges.delete(exchange);
      else if (this.#isBodySlow(exchange, now)) endBody(exchange);
      else if (this.#isAnswerStuck(exchange, now)) {
        exchange.request.socket.destroy(new WarrenError("request_timeout", "the client takes its answer too slowly"));
      }
    }
  }

  #isBodySlow(exchange: Exchange, now: number): boolean {
    const { request, isAnswered } = exchange;
    if (request.complete || (request.destroyed && !isAnswered)) return false;
    const { bodyMs, bodyBytes, wholeBodyMs } = this.#limits;
    if ((isAnswered || !isUpload(request)) && now - exchange.startedAt >= wholeBodyMs) return true;
    const { bytesRead } = request.socket;
    const isEnough = bytesRead - exchange.bytesRead >= bodyBytes;
    // What has come and waits is this side's delay, unless nobody wants it any more.
    if (isEnough || (request.readableLength > 0 && !isAnswered)) {
      exchange.bodySince = now;
      exchange.bytesRead = bytesRead;
    }
    return now - exchange.bodySince >= bodyMs;
  }

  #isAnswerStuck(exchange: Exchange, now: number): boolean {
    const { response, request, isAnswered } = exchange;
    if (isAnswered) return false;
    const { answerMs, takenBytes } = this.#limits;
    const taken = takenOf(request.socket);
    const before = exchange.taken;
    if (before === undefined || response.writableLength === 0 || taken - before >= takenBytes) {
      exchange.answerSince = now;
      exchange.taken = taken;
    }
    return now - exchange.answerSince >= answerMs;
  }
}

/** Whether a request brings a body. */
export function bringsBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** Types of bodies that have a file, or a directory, and may be of any length. */
const UPLOADS = ["multipart/form-data", "application/x-tar"];

function isUpload({ headers }: IncomingMessage): boolean {
  return UPLOADS.some((type) => headers["content-type"]?.startsWith(type));
}

/**
 * Bytes that the client of a connection has taken: its kernel has them. Those that this side's kernel keeps do not count: it
 * makes room for more only in steps of a megabyte.
 */
export function takenOf(socket: Socket): number {
  // What the timeouts of sockets themselves tell progress by.
  const { _handle: handle } = socket as Socket & { _handle?: Handle | null };
  return handle ? handle.bytesWritten - handle.writeQueueSize - sendQueueOf(handle.fd) : 0;
}

/** A connection as Node's own code sees it. */
interface Handle {
  /** Bytes that it was given, and those of them that the kernel has no room for. */
  bytesWritten: number;
  writeQueueSize: number;
  fd: number;
}

/** Whether neither the answer nor the body of an exchange is under way. */
function isEnded({ request, isAnswered }: Exchange): boolean {
  return isAnswered && (request.complete || request.socket.destroyed);
}

function endBody({ request, isAnswered }: Exchange): void {
  // Whoever reads the body answers with the error; where nobody does, the connection is all that is left.
  if (isAnswered || request.listenerCount("error") === 0) request.socket.destroy();
  else request.emit("error", new WarrenError("request_timeout", "the body of the request came too slowly"));
}
