import type pg from "pg";

/** Milliseconds in which a server must take a connection. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Milliseconds of silence after which the other machine is asked whether it is still there, ten times within ten seconds. */
const KEEP_ALIVE_MS = 10_000;

/** How each connection to a database is made; `name` is shown by its server. */
export function connectionSettings(url: string, name: string): pg.ClientConfig {
  return {
    connectionString: url,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: name,
  };
}
