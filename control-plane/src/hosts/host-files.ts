import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { isErrorCode, WarrenError } from "@warren/contracts/errors";
import { HOST_PROTOCOLS } from "@warren/contracts/host-certificates";
import { HOST_FILES } from "@warren/contracts/host-files";
import type { ErrorBody } from "@warren/contracts/rest/error";
import { RelayAgent } from "@warren/server/body-relay";
import { sendBody } from "@warren/server/send-body";
import type { HostConnector } from "./host-connection.ts";

/** Bytes of the body of an error. */
const MOST_ERROR_BYTES = 64 * 1024;

/** A file of a sandbox on the host. */
export interface HostFile {
  sandboxId: string;
  path: string;
  /** User of the image; absent = the sandbox's default user. */
  user?: string | undefined;
}

/** What is read of a sandbox on the host: a file, or a directory as an archive. */
export interface ReadHostFile extends HostFile {
  archive?: "tar" | undefined;
}

/** A file of a sandbox that is to have other content. */
export interface NewHostFile extends HostFile {
  /** Permission bits in octal; absent = as before, or 0644. */
  mode?: string | undefined;
  /** Time of the last change (RFC 3339); absent = now. */
  modifiedAt?: string | undefined;
  /** Name that the file gets when the path is a directory. */
  name?: string | undefined;
}

/** A directory of a sandbox that an archive is to be unpacked into. */
export interface UnpackOnHost extends HostFile {
  archive: "tar";
}

/** A file that is on its way from the host. */
export interface HostFileContent {
  /** Permission bits in octal, and time of the last change (RFC 3339), when known. */
  mode: string | undefined;
  modifiedAt: string | undefined;
  /** Bytes, when known beforehand. */
  size: number | undefined;
  /** To be read to its end or destroyed. It fails when the file breaks off. */
  content: IncomingMessage;
}

/** Connections over TLS to one host, for content. */
class SecureAgent extends Agent {
  readonly #connector: HostConnector;

  constructor(connector: HostConnector) {
    super({ keepAlive: true });
    this.#connector = connector;
  }

  override createConnection(): Socket {
    return this.#connector.connect(HOST_PROTOCOLS.files);
  }
}

/** Moves the content of files to and from one host, as `contracts/src/host-files.ts` says. */
export class HostFiles {
  readonly #connector: HostConnector;
  readonly #agent: Agent;

  constructor(connector: HostConnector) {
    this.#connector = connector;
    this.#agent = connector.socketPath === undefined ? new SecureAgent(connector) : new RelayAgent({ keepAlive: true });
  }

  /** Opens a file, or a directory as an archive. */
  async read(file: ReadHostFile, signal: AbortSignal): Promise<HostFileContent> {
    const sent = await this.#open("GET", file, signal);
    const response = answerOf(sent);
    sent.end();
    const content = await successful(await response);
    const { headers } = HOST_FILES;
    const [size, mode, modifiedAt] = ["content-length", headers.mode, headers.modifiedAt].map((name) =>
      content.headers[name]?.toString(),
    );
    return { size: size === undefined ? undefined : Number(size), mode, modifiedAt, content };
  }

  /**
   * Writes a file, or unpacks an archive; all of it is there when this resolves. When `content` fails this rejects with its error,
   * and the host has seen no whole file.
   */
  async write(
    file: NewHostFile | UnpackOnHost,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void> {
    const sent = await this.#open("PUT", file, signal);
    const answer = await successful(await sendBody(sent, answerOf(sent), content));
    answer.resume();
  }

  /** Breaks all connections. */
  close(): void {
    this.#agent.destroy();
  }

  async #open(method: string, file: NewHostFile & ReadHostFile, signal: AbortSignal) {
    const query = new URLSearchParams();
    for (const [name, parameter] of Object.entries(HOST_FILES.parameters)) {
      const value = file[name as keyof typeof file];
      if (value !== undefined) query.set(parameter, value);
    }
    await this.#connector.prepare();
    const { socketPath } = this.#connector;
    const place = { agent: this.#agent, ...(socketPath !== undefined && { socketPath }) };
    return request({ ...place, method, path: `${HOST_FILES.path}?${query}`, signal });
  }
}

function answerOf(sent: ClientRequest): Promise<IncomingMessage> {
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    sent.once("response", resolve).on("error", reject);
  });
  // It may fail while the body is what is waited for.
  answer.catch(() => undefined);
  return answer;
}

/** Passes a success on; throws the error that the host names otherwise. */
async function successful(response: IncomingMessage): Promise<IncomingMessage> {
  const { statusCode = 0 } = response;
  if (statusCode < 300) return response;
  const { error }: Partial<ErrorBody> = JSON.parse(await boundedText(response));
  if (error && isErrorCode(error.code)) throw new WarrenError(error.code, error.message);
  throw new WarrenError("agent_error", `the sandbox's host answered ${statusCode} to a file transfer`);
}

/** The body of an answer, of which a host may send as much as it likes; empty when it is longer than an error can be. */
async function boundedText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MOST_ERROR_BYTES) return "";
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}
