import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { WarrenError } from "@warren/contracts/errors";
import { errorOf, unreachable } from "./errors.ts";
import { DEFAULT_RETRY, delayBeforeRetry, type RetryPolicy } from "./retry.ts";

/** Where the server is and how to talk to it. */
export interface TransportOptions {
  /** Address of the control plane, such as http://127.0.0.1:3000; a path in it is kept as a prefix. */
  url: string;
  /** Key of a team, for programs. */
  apiKey?: string;
  /** Token of a person's session, in place of a key. */
  sessionToken?: string;
  /**
   * Socket of the server's operator in its data directory, to which all calls go in place of `url`: there the hosts of the
   * platform are managed without a credential.
   */
  socketPath?: string;
  retry?: Partial<RetryPolicy>;
}

/** One call of the API. */
export interface Call {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path below the server's address, such as /v1/sandboxes. */
  path: string;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it comes, once. */
  body?: { contentType: string; length: number | undefined; stream(): AsyncIterable<Uint8Array> };
  /** Repeating the call does no harm, so that it may be retried. */
  safe?: boolean;
  signal?: AbortSignal | undefined;
}

/** HTTP to one server: connections are kept alive and shared, and small requests leave at once (TCP_NODELAY). */
export class Transport {
  readonly base: URL;
  /** Headers that identify the caller; none for what needs no credential. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly #retry: RetryPolicy;
  readonly #agent: HttpAgent;

  constructor(options: TransportOptions) {
    this.base = parseBase(options.url);
    this.credentials = credentialsOf(options);
    this.#retry = { ...DEFAULT_RETRY, ...options.retry };
    const { socketPath } = options;
    const place = socketPath === undefined ? {} : { socketPath };
    const agentOptions = { keepAlive: true, noDelay: true, scheduling: "lifo", ...place } as const;
    this.#agent = this.base.protocol === "https:" ? new HttpsAgent(agentOptions) : new HttpAgent(agentOptions);
  }

  /** The agent whose connections are shared with WebSockets of the same server. */
  get agent(): HttpAgent {
    return this.#agent;
  }

  /** Address of a path of the API. */
  urlOf(path: string): URL {
    return new URL(this.base.pathname.replace(/\/$/, "") + path, this.base);
  }

  /** Closes idle connections; calls that are under way end with an error. */
  close(): void {
    this.#agent.destroy();
  }

  /** Calls and reads the answer as JSON; undefined for an answer without a body. */
  async json<T>(call: Call): Promise<T> {
    return this.#attempts(call, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString("utf8");
      if (text === "") return undefined as T;
      try {
        return JSON.parse(text) as T;
      } catch (error) {
        throw new WarrenError("internal_error", `${this.base.origin} answered with something that is not JSON.`, {
          cause: error,
        });
      }
    });
  }

  /** Calls and hands over the body unread: the caller must read it to its end or destroy it. */
  async open(call: Call): Promise<IncomingMessage> {
    return this.#attempts(call, async (response) => response);
  }

  async #attempts<T>(call: Call, read: (response: IncomingMessage) => Promise<T>): Promise<T> {
    const source: { error?: unknown } = {};
    for (let attempt = 1; ; attempt++) {
      let failure: { error: unknown; status?: number; retryAfter?: string | undefined };
      try {
        const response = await this.#send(call, source);
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) return await read(response);
        failure = { error: await errorOf(response), status, retryAfter: response.headers["retry-after"] };
      } catch (error) {
        if (call.signal?.aborted) throw call.signal.reason;
        if (error instanceof WarrenError) throw error;
        if (source.error !== undefined) throw source.error;
        failure = { error: unreachable(this.base.origin, error) };
      }
      const delay = call.safe ? delayBeforeRetry(this.#retry, attempt, failure, Date.now()) : undefined;
      if (delay === undefined) throw failure.error;
      await sleep(delay, undefined, call.signal ? { signal: call.signal } : {});
    }
  }

  /**
   * Sends one request and resolves with the head of its answer, even when that comes before the body is sent. When the
   * body's own source fails, `source.error` says how.
   */
  async #send(call: Call, source: { error?: unknown }): Promise<IncomingMessage> {
    const json = call.json === undefined ? undefined : Buffer.from(JSON.stringify(call.json));
    const length = json?.length ?? call.body?.length;
    const options: RequestOptions = {
      method: call.method,
      agent: this.#agent,
      headers: {
        Accept: "application/json, application/octet-stream",
        ...this.credentials,
        ...(json ? { "Content-Type": "application/json" } : {}),
        ...(call.body ? { "Content-Type": call.body.contentType } : {}),
        ...(length === undefined ? {} : { "Content-Length": length }),
      },
      ...(call.signal ? { signal: call.signal } : {}),
    };
    const send = this.base.protocol === "https:" ? httpsRequest : httpRequest;
    const request = send(this.urlOf(call.path), options);
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.once("response", resolve);
      request.on("error", reject);
    });
    if (call.body === undefined) {
      request.end(json);
      return response;
    }
    const sent = pipeline(Readable.from(recordFailure(call.body.stream(), source), { objectMode: false }), request);
    // A server that refuses an upload answers before it has read it all; a broken upload has no answer at all.
    const answered = await Promise.race([response, sent.then(() => response)]);
    answered.once("close", () => request.writableFinished || request.destroy());
    return answered;
  }
}

/** Passes chunks on and remembers why their source failed, so that this is not taken for a failure of the network. */
async function* recordFailure(chunks: AsyncIterable<Uint8Array>, source: { error?: unknown }) {
  try {
    yield* chunks;
  } catch (error) {
    source.error = error;
    throw error;
  }
}

function parseBase(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base?.protocol !== "http:" && base?.protocol !== "https:") {
    throw new WarrenError(
      "invalid_request",
      `"${url}" is not the address of a Warren server, such as http://127.0.0.1:3000`,
    );
  }
  return base;
}

function credentialsOf({ apiKey, sessionToken }: TransportOptions): Record<string, string> {
  if (apiKey !== undefined) return { "X-API-Key": apiKey };
  return sessionToken === undefined ? {} : { Authorization: `Bearer ${sessionToken}` };
}
