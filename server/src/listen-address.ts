import { isIP } from "node:net";

/** Where a server listens for connections over TCP. */
export interface ListenAddress {
  host: string;
  /** 0 = a free one. */
  port: number;
}

/** Reads `HOST:PORT`, `[IPv6]:PORT` or `:PORT`, which means all addresses. Throws an error for whoever set it. */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) throw new Error(`"${text}" is not HOST:PORT, such as 127.0.0.1:3000 or [::1]:3000`);
  const host = match[1] ?? (match[2] || "0.0.0.0");
  if (match[1] !== undefined && isIP(host) !== 6) throw new Error(`"${host}" is not an IPv6 address`);
  return { host, port };
}
