import type { IncomingMessage } from "node:http";
import { Readable, type Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { HOST_FILES } from "@warren/contracts/host-files";
import { isWorthRelaying, relayBody } from "@warren/server/body-relay";
import type { FastifyReply } from "fastify";
import type { HostFileContent } from "../hosts/host-files.ts";

/**
 * Sends a file, as bytes unless the reply has a type; resolves when the client has taken it, rejects when it has gone or the file
 * broke off.
 */
export async function sendFile(
  reply: FastifyReply,
  { size, mode, modifiedAt, content }: HostFileContent,
): Promise<void> {
  if (!reply.hasHeader("content-type")) reply.type("application/octet-stream");
  if (size !== undefined) reply.header("content-length", size);
  if (mode !== undefined) reply.header(HOST_FILES.headers.mode, mode);
  if (modifiedAt !== undefined) reply.header(HOST_FILES.headers.modifiedAt, modifiedAt);
  const body = isWorthRelaying(content) ? new RelayedBody(content) : content;
  const sent = finished(body);
  reply.send(body);
  await sent;
}

/** A body for Fastify to pipe; it is moved by {@link relayBody}, and can be read in no other way. */
class RelayedBody extends Readable {
  readonly #content: IncomingMessage;

  constructor(content: IncomingMessage) {
    super();
    this.#content = content;
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T): T {
    relayBody(this.#content, destination as unknown as Writable).then(
      () => {
        // Fastify takes a response that finishes before its body is closed for one that broke off.
        this.once("close", () => destination.end());
        this.push(null);
        this.resume();
      },
      (error: Error) => this.destroy(error),
    );
    return destination;
  }

  override _read(): void {}

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#content.destroy();
    done(error);
  }
}
