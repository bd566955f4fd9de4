import { once } from "node:events";
import type { ClientRequest, IncomingMessage } from "node:http";

/**
 * The standard input of one process as the body of one request: pieces follow each other without waiting for answers,
 * and no faster than the process reads. A few buffers of sockets are all that is held on the way.
 */
export class GuestInput {
  readonly #request: ClientRequest;
  readonly #answer: Promise<IncomingMessage>;
  readonly #over = new AbortController();

  private constructor(request: ClientRequest, answer: Promise<IncomingMessage>) {
    this.#request = request;
    this.#answer = answer;
    const over = () => this.#over.abort();
    this.#answer.then(over, over);
  }

  /**
   * Sends the head of a request that expects 100-continue. Resolves when the guest agent wants the body; with the status
   * of its answer when it does not; rejects when there is none.
   */
  static async open(request: ClientRequest, answer: Promise<IncomingMessage>): Promise<GuestInput | number> {
    const input = new GuestInput(request, answer);
    const wanted = once(request, "continue", { signal: input.#over.signal }).then(
      () => true,
      () => false,
    );
    request.flushHeaders();
    if (await wanted) return input;
    const { statusCode } = await input.#answer;
    request.destroy();
    return statusCode ?? 0;
  }

  /** Sends a piece; resolves when the next may follow. False = the process takes no more. */
  async write(data: Uint8Array): Promise<boolean> {
    const { signal } = this.#over;
    if (signal.aborted) return false;
    if (this.#request.write(data)) return true;
    await once(this.#request, "drain", { signal }).catch(() => undefined);
    return !signal.aborted;
  }

  /** Ends the body; resolves when the process has been given all of it, or takes no more. */
  async end(): Promise<void> {
    this.#request.end();
    const answer = await this.#answer.catch(() => undefined);
    // 204 has no body; whatever else comes is not read.
    if (answer?.statusCode === 204) answer.resume();
    else this.#request.destroy();
  }
}
