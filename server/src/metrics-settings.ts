import { type ListenAddress, parseListenAddress } from "./listen-address.ts";
import { isSocketPath, SOCKET_PATH_BYTES } from "./socket-path.ts";

/** Who may read the metrics of a server, and where. */
export interface MetricsSettings {
  /** What a reader must show as its bearer token; absent = whoever reaches `listen` may read. */
  token?: string;
  /** Address of their own; absent = that of the server, for readers with the token. */
  listen?: MetricsAddress;
}

/** A unix socket, or an address of TCP. */
export type MetricsAddress = { path: string } | ListenAddress;

/** Visible characters of ASCII, enough of them that nobody tries them all. */
const TOKEN = /^[\x21-\x7e]{16,1024}$/;

/** Checks a token; throws an error for whoever set it. */
export function parseMetricsToken(text: string): string {
  if (!TOKEN.test(text)) {
    throw new Error("must have 16 to 1024 visible ASCII characters; make one with openssl rand -hex 32");
  }
  return text;
}

/** Reads `unix:PATH` or `HOST:PORT`; throws an error for whoever set it. */
export function parseMetricsAddress(text: string): MetricsAddress {
  if (!text.startsWith("unix:")) return parseListenAddress(text);
  const path = text.slice("unix:".length);
  if (!path.startsWith("/")) throw new Error(`"${text}" must name an absolute path, such as unix:/run/metrics.sock`);
  if (!isSocketPath(path)) throw new Error(`the path is too long for a socket (at most ${SOCKET_PATH_BYTES} bytes)`);
  return { path };
}

/** The settings that were made, or undefined. Throws an error when others could read the metrics than those of this machine. */
export function metricsSettings(
  token: string | undefined,
  listen: MetricsAddress | undefined,
): MetricsSettings | undefined {
  if (token === undefined && listen === undefined) return undefined;
  if (token === undefined && listen && "host" in listen && !isLoopback(listen.host)) {
    throw new Error(
      `${listen.host} is reached by other machines: set WARREN_METRICS_TOKEN too, or listen on 127.0.0.1`,
    );
  }
  return { ...(token !== undefined && { token }), ...(listen && { listen }) };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
