import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { buffer } from "node:stream/consumers";
import { WarrenError } from "@warren/contracts/errors";
import { type Heartbeat, HOST_TOKEN_HEADER, type RefreshHost, type RegisterHost } from "@warren/contracts/rest/hosts";
import { boundedBody } from "./bounded-body.ts";
import type { GivenCertificate } from "./certification.ts";

/** Milliseconds that a call may take from its first byte to the last. */
const LIMIT_MS = { find: 10_000, register: 30_000, refresh: 15_000, heartbeat: 10_000 };

/** What the control plane gives a host. */
export interface GivenCredentials {
  hostId: string;
  token: string;
  refreshToken: string;
  /** Absent unless it was asked for. */
  issued?: GivenCertificate;
}

/** A control plane, as a host calls it. */
export interface Called {
  /** Base of its REST API, without a slash at the end. */
  url: string;
  /** By whom its certificate must be signed, PEM; absent = by those whom Node believes. */
  authority?: string | undefined;
}

/** What became of a sign of life that the control plane has answered. */
export interface Beat {
  status: number;
  /** Why the control plane cannot call the host; absent where it can, or does not say. */
  unreached?: string;
  /** The control plane itself says that there is no such host: a proxy before it may answer 404 as well. */
  isUnknown: boolean;
}

/** An answer of the control plane: its status, and its body when that is JSON. */
interface Answer {
  status: number;
  body: unknown;
  /** Address of this machine by which it was asked. */
  localAddress: string;
}

/** How a request differs from the plainest one. */
interface Sent {
  /** Sent as JSON, by POST; absent = GET. */
  body?: object;
  headers?: Record<string, string>;
  /** Gives the request up. */
  end?: AbortSignal;
}

/** Checks where a control plane is; plain HTTP is for one of the same machine alone. */
export function parseControlPlaneUrl(text: string): string {
  const url = URL.parse(text);
  const isPlain = url?.protocol === "http:";
  if (!url || !(isPlain || url.protocol === "https:") || url.search || url.hash || url.username) {
    throw new WarrenError("invalid_request", `"${text}" is not the address of a control plane, such as https://HOST`);
  }
  if (isPlain && !isOfThisMachine(url.hostname)) {
    throw new WarrenError("invalid_request", `"${text}" would send tokens in plain over a network; use https`);
  }
  return url.href.replace(/\/+$/, "");
}

/** Looks whether a control plane is there; the address of this machine from which it is reached. Throws what is wrong. */
export async function findControlPlane(called: Called): Promise<string> {
  const { status, body, localAddress } = await ask(called, "/health", LIMIT_MS.find);
  const { status: health, version } = (body ?? {}) as { status?: unknown; version?: unknown };
  if (status === 200 && health === "ok" && typeof version === "string") return localAddress;
  throw new WarrenError("server_unreachable", `what answers at ${called.url} is no control plane (status ${status})`);
}

/** Takes up a registration; throws what the control plane answers, or that it does not. */
export async function register(called: Called, request: RegisterHost): Promise<GivenCredentials> {
  const answer = await ask(called, "/v1/hosts/register", LIMIT_MS.register, { body: request });
  if (answer.status !== 201) throw refusal(answer);
  return given(answer);
}

/** New credentials for a refresh token; undefined when it is not valid (any more). */
export async function refresh(called: Called, request: RefreshHost): Promise<GivenCredentials | undefined> {
  const answer = await ask(called, "/v1/hosts/auth/refresh", LIMIT_MS.refresh, { body: request });
  if (answer.status === 401) return undefined;
  if (answer.status !== 200) throw refusal(answer);
  return given(answer);
}

/** Gives a sign of life, unless `end` says that it is not wanted any more. */
export async function heartbeat(
  { hostId, token, ...called }: Called & { hostId: string; token: string },
  report: Heartbeat,
  end: AbortSignal,
): Promise<Beat> {
  const sent = { body: report, headers: { [HOST_TOKEN_HEADER]: token }, end };
  const { status, body } = await ask(called, `/v1/hosts/${hostId}/heartbeat`, LIMIT_MS.heartbeat, sent);
  const { unreached, error } = (body ?? {}) as { unreached?: unknown; error?: { code?: unknown } };
  const isUnknown = status === 404 && error?.code === "not_found";
  return { status, isUnknown, ...(typeof unreached === "string" && { unreached }) };
}

async function ask(
  { url, authority }: Called,
  path: string,
  limitMs: number,
  { body, headers, end }: Sent = {},
): Promise<Answer> {
  const text = body && JSON.stringify(body);
  const late = AbortSignal.timeout(limitMs);
  const signal = end ? AbortSignal.any([late, end]) : late;
  const content = text && { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
  const options = {
    method: text === undefined ? "GET" : "POST",
    headers: { ...headers, ...content },
    signal,
    ...(authority !== undefined && { ca: authority }),
  };
  try {
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const { request } = url.startsWith("https:") ? https : http;
      const sent = request(url + path, options, resolve);
      sent.once("error", reject);
      sent.end(text);
    });
    const { localAddress = "" } = response.socket;
    const bytes = await buffer(boundedBody(response));
    return { status: response.statusCode ?? 0, body: parseJson(bytes.toString()), localAddress };
  } catch (error) {
    const message = late.aborted ? `no answer within ${limitMs / 1000} s` : failureOf(error as NodeJS.ErrnoException);
    throw new WarrenError(
      "server_unreachable",
      `the control plane at ${new URL(url).origin} does not answer: ${message}`,
    );
  }
}

/** What OpenSSL says of a certificate whose authority it does not know. */
const UNKNOWN_AUTHORITY = /SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER)/;

function failureOf({ code = "", message }: NodeJS.ErrnoException): string {
  if (!UNKNOWN_AUTHORITY.test(code)) return message || code;
  return `${message}; --ca-file names the authority that its certificate is signed by, where that is one of your own`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function given({ body }: Answer): GivenCredentials {
  const { host, token, refresh_token, cert_pem, ca_cert_pem } = (body ?? {}) as {
    host?: { id?: unknown };
  } & Partial<Record<"token" | "refresh_token" | "cert_pem" | "ca_cert_pem", unknown>>;
  if (typeof host?.id === "string" && typeof token === "string" && typeof refresh_token === "string") {
    const isCertified = typeof cert_pem === "string" && typeof ca_cert_pem === "string";
    const issued = isCertified && { issued: { certificate: cert_pem, authority: ca_cert_pem } };
    return { hostId: host.id, token, refreshToken: refresh_token, ...issued };
  }
  throw new WarrenError("server_unreachable", "the control plane's answer is not that of one");
}

function refusal({ status, body }: Answer): WarrenError {
  const { message } = ((body as { error?: unknown } | undefined)?.error ?? {}) as { message?: unknown };
  const words = typeof message === "string" ? message : "it gives no reason";
  if (status === 401) return new WarrenError("unauthorized", words);
  if (status === 409) return new WarrenError("conflict", words);
  if (status >= 400 && status < 500 && status !== 429) return new WarrenError("invalid_request", words);
  return new WarrenError("server_unreachable", `the control plane answers with status ${status}: ${words}`);
}

/** Whether what is sent to an address stays within this machine: the kernel delivers to its own addresses by loopback. */
function isOfThisMachine(hostname: string): boolean {
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  if (hostname === "localhost" || address === "::1") return true;
  if (isIP(address) === 4 && address.startsWith("127.")) return true;
  return Object.values(networkInterfaces()).some((own) => own?.some((one) => one.address === address));
}
