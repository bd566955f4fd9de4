import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import { WarrenError } from "@warren/contracts/errors";
import type { FastifyRequest } from "fastify";
import type { App } from "./app-types.ts";

/** A host under which the server is reached. */
export interface AllowedHost {
  /** Name or address in its canonical form, IPv6 without brackets. */
  name: string;
  /** Absent = any: a tunnel or a container may have another one than the server. */
  port?: number;
}

/** Hosts for which the server answers. */
export interface HostRules {
  /** Where the server listens; an address that stands for all of the machine's admits every address. */
  listen: { host: string };
  /** Address of the server for browsers. */
  publicUrl?: string;
  allowedHosts: AllowedHost[];
}

/** Host headers whose verdict is remembered. */
const REMEMBERED = 100;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/**
 * Refuses requests that name a host which is not this server's. A page whose name its owner makes resolve to an address
 * of this server (DNS rebinding) is of the same origin as the server to a browser, and only that name gives it away.
 * Addresses cannot be rebound.
 */
export function checkHosts(app: App, rules: HostRules): void {
  const serves = servedHosts(rules);
  const served = new Set<string>();
  const check = (request: FastifyRequest) => {
    const host = namedHost(request.raw);
    if (host === undefined && request.raw.httpVersion === "1.0") return;
    if (host !== undefined && served.has(host)) return;
    const parsed = host === undefined ? undefined : parseHost(host);
    if (!parsed) throw new WarrenError("invalid_request", "the Host header must name this server");
    if (!serves(parsed) && !isWhereItCame(request, parsed)) throw misdirected(request, parsed.name);
    if (served.size < REMEMBERED) served.add(host!);
  };
  app.addHook("onRequest", (request, _reply, done) => {
    check(request);
    done();
  });
}

/**
 * The host that a request names, in its header or in its target, which may be a whole URL (RFC 9112, section 3.2). Throws
 * when it names two: a proxy in front may have read the other.
 */
function namedHost({ headers, rawHeaders, url }: IncomingMessage): string | undefined {
  let named = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) if (isHost(rawHeaders[at]!)) named += 1;
  const [, target] = (!url!.startsWith("/") && /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url!)) || [];
  const differs = target !== undefined && target.toLowerCase() !== (headers.host ?? target).toLowerCase();
  if (named > 1 || differs) throw new WarrenError("invalid_request", "the request names more than one host");
  return target ?? headers.host;
}

function isHost(header: string): boolean {
  return header.length === "host".length && header.toLowerCase() === "host";
}

/** Reads `NAME`, `NAME:PORT` or `[IPV6]:PORT`; undefined when it is none of them. */
export function parseHost(text: string): AllowedHost | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{0,5}))?$/i.exec(text);
  // The parser of URLs knows all spellings of an address, as browsers do.
  const url = match && URL.parse(`http://${match[1]}`);
  if (!url) return undefined;
  const name = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  return match?.[2] ? { name, port: Number(match[2]) } : { name };
}

function servedHosts({ listen, publicUrl, allowedHosts }: HostRules): (host: AllowedHost) => boolean {
  const allowed: AllowedHost[] = [{ name: "localhost" }, ...allowedHosts];
  for (const text of [
    isIP(listen.host) === 6 ? `[${listen.host}]` : listen.host,
    publicUrl && new URL(publicUrl).hostname,
  ]) {
    const host = text === undefined ? undefined : parseHost(text);
    if (host) allowed.push(host);
  }
  const everyAddress = ["0.0.0.0", "::"].includes(listen.host);
  return ({ name, port }) => {
    const family = isIP(name);
    if (family !== 0 && (everyAddress || LOOPBACK.check(name, family === 6 ? "ipv6" : "ipv4"))) return true;
    return allowed.some((host) => host.name === name && (host.port ?? port) === port);
  };
}

/**
 * Whether a request names the address and port that it came to, as that of the machine's host agent does, which knows no name of
 * this server.
 */
function isWhereItCame({ socket }: FastifyRequest, { name, port }: AllowedHost): boolean {
  // A socket for both families writes addresses of IPv4 as those of IPv6.
  const address = socket.localAddress?.replace(/^::ffff:(?=.*\.)/, "");
  return name === address && port === socket.localPort;
}

function misdirected(request: FastifyRequest, name: string): WarrenError {
  request.log.debug({ host: name }, "a request named a host that is not served");
  return new WarrenError(
    "misdirected_request",
    `this server does not answer for the host ${name}; name it in WARREN_ALLOWED_HOSTS, or in CP_PUBLIC_URL`,
  );
}
