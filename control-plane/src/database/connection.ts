import { WarrenError } from "@warren/contracts/errors";
import type pg from "pg";
import { isDatabaseAway } from "./unavailable.ts";

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
