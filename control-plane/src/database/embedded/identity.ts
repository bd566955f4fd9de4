import { DATABASE_IDS, requireOwnIds } from "@warren/server/user-ids";

/** The user id that the server of the embedded database is given; undefined where it runs as the user of this process. */
export function serverUserId(): number | undefined {
  return process.getuid!() === 0 ? DATABASE_IDS.first : undefined;
}

/** Throws `conflict` when somebody else of this machine has the id that the server is given. */
export async function requireOwnUserId(): Promise<void> {
  if (serverUserId() !== undefined) await requireOwnIds(DATABASE_IDS);
}
