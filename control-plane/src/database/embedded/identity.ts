import { type OwnIds, requireOwnIds } from "@warren/server/user-ids";

/** User and group id of the embedded database's server: the one after those of microVMs. */
const SERVER_IDS: OwnIds = {
  first: 2_100_032_768,
  last: 2_100_032_768,
  of: "the embedded database",
  remedy: "its users could reach the database; give them other ids (usermod --uid, --del-subuids, --add-subuids)",
};

/** The user id that the server of the embedded database is given; undefined where it runs as the user of this process. */
export function serverUserId(): number | undefined {
  return process.getuid!() === 0 ? SERVER_IDS.first : undefined;
}

/** Throws `conflict` when somebody else of this machine has the id that the server is given. */
export async function requireOwnUserId(): Promise<void> {
  if (serverUserId() !== undefined) await requireOwnIds(SERVER_IDS);
}
