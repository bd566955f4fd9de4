import type { IncomingMessage, ServerResponse } from "node:http";
import type { WarrenError } from "@warren/contracts/errors";
import type { App } from "./app.ts";
import { breakOff } from "./errors/protocol-errors.ts";

/** The requests of a server that have no complete answer. */
export class OpenRequests {
  readonly #open = new Map<ServerResponse, IncomingMessage>();

  constructor(app: App) {
    app.server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      this.#open.set(response, request);
      response.once("close", () => this.#open.delete(response));
    });
  }

  /** Answers all with an error, and breaks those off whose answers have begun. To their handlers the clients have left. */
  breakOff(error: WarrenError): void {
    for (const [response, { socket }] of this.#open) breakOff(socket, response, error);
  }
}
