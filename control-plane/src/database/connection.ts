import { WarrenError } from "@warren/contracts/errors";
import type pg from "pg";
import { isDatabaseAway } from "./unavailable.ts";

/** Milliseconds in which a server must take a connection. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Milliseconds of silence after which the other machine is asked whether it is still there, ten times within ten seconds. */
const KEEP_ALIVE_MS = 10_000;

/** Milliseconds in which a server must take leave of a connection. */
const LEAVE_TIMEOUT_MS = 3_000;

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

/** Breaks a connection off, and fails what waits on it, without a word to the server. */
export function breakOff(client: pg.Client): void {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}

/** Has a connection that is being ended broken off when its server does not take leave. */
export function boundEnd(client: pg.Client): void {
  const limit = setTimeout(() => breakOff(client), LEAVE_TIMEOUT_MS).unref();
  client.once("end", () => clearTimeout(limit));
}

/** Ends a connection, whatever has become of it. */
export async function endConnection(client: pg.Client): Promise<void> {
  boundEnd(client);
  await client.end().catch(() => undefined);
}

/** Opens or uses a database of one's own: that it is away is said to the operator with the reason, which may name its server. */
export async function asProblemOfOwn<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isDatabaseAway(error)) throw error;
    throw new WarrenError(
      "database_unavailable",
      `the database that DATABASE_URL names cannot be used: ${reasonOf(error as Error)}; see to its server, or to DATABASE_URL, and start again`,
      { cause: error },
    );
  }
}

/** In words; an error of several addresses of a name has none of its own. */
export function reasonOf(error: Error): string {
  return error.message || String((error as NodeJS.ErrnoException).code);
}
