import type { IncomingMessage, ServerResponse } from "node:http";
import type { WarrenError } from "@warren/contracts/errors";
import type { App } from "./app-types.ts";
import { breakOff } from "./errors/protocol-errors.ts";
import { whenOver } from "./slow-clients/when-over.ts";

/** The requests of a server that have no complete answer. */
export class OpenRequests {
  readonly #open = new Map<ServerResponse, IncomingMessage>();
  #refusal: WarrenError | undefined;

  /** Routes must be registered afterwards. */
  constructor(app: App) {
    app.server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      this.#open.set(response, request);
      whenOver(response, () => {
        this.#open.delete(response);
        // Its client was told, maybe, that it may keep the connection.
        if (this.#refusal) app.server.closeIdleConnections();
      });
    });
    app.addHook("onRequest", (_request, _reply, done) => done(this.#refusal));
  }

  get count(): number {
    return this.#open.size;
  }

  /** From now on refuses those that still come on connections in use, and keeps no connection that is not. */
  refuseMore(error: WarrenError): void {
    this.#refusal = error;
  }

  /** Answers all with an error, and breaks those off whose answers have begun. To their handlers the clients have left. */
  breakOff(error: WarrenError): void {
    for (const [response, { socket }] of this.#open) breakOff(socket, response, error);
  }
}
