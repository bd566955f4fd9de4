import { createHash, timingSafeEqual } from "node:crypto";
import { chmod, lstat, rm } from "node:fs/promises";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import net, { type AddressInfo } from "node:net";
import { WarrenError } from "@warren/contracts/errors";
import type { ErrorBody } from "@warren/contracts/rest/error";
import type { MetricsAddress } from "./metrics-settings.ts";

/** Path of the metrics of a server. */
export const METRICS_PATH = "/metrics";

/** Milliseconds in which a reader sends its request. */
const REQUEST_MS = 10_000;
/** Readers that may be connected at once. */
const MOST_CONNECTIONS = 32;

/** What is read. */
interface Readable {
  contentType: string;
  read(): Promise<string>;
}

/** Where failures are told. */
interface PageLog {
  error(fields: object, message: string): void;
}

/** The page of metrics of one server, for whoever shows its token, if it has one. */
export class MetricsPage {
  readonly #metrics: Readable;
  readonly #token: Buffer | undefined;
  readonly #log: PageLog;

  constructor(metrics: Readable, token: string | undefined, log: PageLog) {
    this.#metrics = metrics;
    this.#token = token === undefined ? undefined : digest(token);
    this.#log = log;
  }

  /** Answers a request for it, GET or HEAD. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Whatever it brings is of no use, and its connection may be used again.
    request.resume();
    if (!this.#admits(request.headers.authorization)) {
      response.setHeader("www-authenticate", "Bearer");
      refuse(response, new WarrenError("unauthorized", "the metrics need their token: authorization: Bearer TOKEN"));
      return;
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      refuse(response, new WarrenError("method_not_allowed", `${METRICS_PATH} takes GET, not ${request.method}`));
      return;
    }
    let text: string;
    try {
      text = await this.#metrics.read();
    } catch (error) {
      this.#log.error({ err: error }, "the metrics could not be read");
      refuse(response, new WarrenError("internal_error", "the metrics could not be read; the server's log says why"));
      return;
    }
    send(response, 200, this.#metrics.contentType, text);
  }

  #admits(authorization = ""): boolean {
    if (!this.#token) return true;
    const [, shown] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
    return shown !== undefined && timingSafeEqual(digest(shown), this.#token);
  }
}

/** A server that has a page of metrics alone. */
export interface MetricsServer {
  url: string;
  close(): Promise<void>;
}

/** Serves a page of metrics alone on an address. `setting` is the variable that names it, for whoever has to change it. */
export async function serveMetrics(
  page: MetricsPage,
  address: MetricsAddress,
  setting: string,
): Promise<MetricsServer> {
  const limits = {
    headersTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    connectionsCheckingInterval: REQUEST_MS / 2,
  };
  const server = http.createServer(limits, (request, response) => {
    const path = request.url?.split("?", 1)[0];
    if (path === METRICS_PATH) void page.answer(request, response);
    else {
      request.resume();
      refuse(
        response,
        new WarrenError("not_found", `there is nothing at this path; the metrics are at ${METRICS_PATH}`),
      );
    }
  });
  server.maxConnections = MOST_CONNECTIONS;
  if ("path" in address) await removeLeftOver(address.path);
  await listen(server, address, setting);
  if ("path" in address) await chmod(address.path, 0o600);
  return {
    url: urlOf(server.address()),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function listen(server: http.Server, address: MetricsAddress, setting: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(address, resolve);
  try {
    await promise;
  } catch (error) {
    const name = "path" in address ? address.path : `${address.host}:${address.port}`;
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "EADDRINUSE" ? "is in use" : `cannot be listened on (${message})`;
    throw new WarrenError("conflict", `the address ${name} ${why}; choose another with ${setting}`, { cause: error });
  }
}

/** Removes the socket of a server that is gone. Whatever else is at the path stays, and is said to be in the way. */
async function removeLeftOver(path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const connection = net.connect(path, () => resolve(undefined));
  connection.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code));
  const refusal = await promise;
  connection.destroy();
  // Only a socket that nobody listens on refuses a connection; a file that is none does as well, and is left.
  if (refusal === "ECONNREFUSED" && (await isSocket(path))) await rm(path, { force: true });
}

async function isSocket(path: string): Promise<boolean> {
  return (await lstat(path)).isSocket();
}

function urlOf(address: AddressInfo | string | null): string {
  if (address === null || typeof address === "string") return `unix:${address ?? ""}`;
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return `http://${host}:${address.port}${METRICS_PATH}`;
}

function refuse(response: ServerResponse, { status, code, message }: WarrenError): void {
  send(response, status, "application/json", JSON.stringify({ error: { code, message } } satisfies ErrorBody));
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
  });
  response.end(body);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
