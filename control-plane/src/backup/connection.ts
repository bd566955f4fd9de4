import { WarrenError } from "@warren/contracts/errors";
import pg from "pg";
import { connectionSettings, reasonOf } from "../database/connection.ts";

/** Works on a connection of its own, which ends with the work. */
export async function withConnection<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(connectionSettings(url, "warren admin"));
  // A connection that breaks fails what is under way on it.
  client.on("error", () => undefined);
  await client.connect().catch((error: Error) => {
    throw new WarrenError("database_unavailable", `the database does not take a connection: ${reasonOf(error)}`, {
      cause: error,
    });
  });
  try {
    return await use(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
