import pg from "pg";

/** Milliseconds in which a server must take a connection. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Works on a connection of its own, which ends with the work. */
export async function withConnection<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: "warren admin",
  });
  // A connection that breaks fails what is under way on it.
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
