import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { Server } from "node:net";
import { endServer, listenLocally } from "../../http/testing/listen-locally.ts";

/** A request that a receiver has got. */
export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** What a receiver answers. */
export type Answer = (response: ServerResponse, request: Received) => void;

/** A real HTTP server that takes messages of webhooks. */
export class Receiver {
  readonly received: Received[] = [];
  url = "";
  answer: Answer;
  readonly #server: Server & { closeAllConnections(): void };
  #waiting: (() => void)[] = [];

  private constructor(answer: Answer) {
    this.answer = answer;
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const received = { path: request.url!, headers: request.headers, body: Buffer.concat(chunks).toString() };
        this.received.push(received);
        this.answer(response, received);
        for (const wake of this.#waiting.splice(0)) wake();
      });
    });
  }

  static async start(answer: Answer = (response) => response.end("ok")): Promise<Receiver> {
    const receiver = new Receiver(answer);
    receiver.url = await listenLocally(receiver.#server);
    return receiver;
  }

  /** Resolves with what was received once that is what is waited for. */
  async until(isThere: (received: Received[]) => boolean): Promise<Received[]> {
    while (!isThere(this.received)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.received;
  }

  close(): Promise<void> {
    return endServer(this.#server);
  }
}
