import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { type FileLock, tryLockFile } from "@warren/server/file-lock";
import { DATABASE_IDS, requireOwnIds } from "@warren/server/user-ids";

/** Holds a file for each user id, whose lock all processes with that id have. */
const IDS = "/run/warren/database-ids";

/** The user of one server, and of no other of the machine as long as somebody has the lock. */
export interface ServerUser {
  id: number;
  lock: FileLock;
}

/** Whether servers have users of their own; otherwise they run as the user of this process. */
export function hasServerUsers(): boolean {
  return process.getuid!() === 0;
}

/**
 * Takes a user for a server, to which the lock is to be handed down: `preferred`, the owner of its files, unless the server of
 * another data directory is that user now. Undefined where servers run as the user of this process.
 */
export async function takeServerUser(preferred: number = DATABASE_IDS.first): Promise<ServerUser | undefined> {
  if (!hasServerUsers()) return undefined;
  await mkdir(IDS, { recursive: true, mode: 0o700 });
  const { first, last } = DATABASE_IDS;
  const all = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  for (const id of all.includes(preferred) ? [preferred, ...all] : all) {
    const lock = await tryLockFile(join(IDS, String(id)));
    if (lock) return { id, lock };
  }
  throw new WarrenError(
    "database_unavailable",
    `${all.length} embedded databases run on this machine, as many as there are user ids for; end one, or name a PostgreSQL with DATABASE_URL`,
  );
}

/** Throws `conflict` when somebody else of this machine has an id that servers are given. */
export async function requireOwnUserIds(): Promise<void> {
  if (hasServerUsers()) await requireOwnIds(DATABASE_IDS);
}
