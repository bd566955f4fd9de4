import { randomUUID } from "node:crypto";
import type { Db } from "../../database/tables.ts";

/** Makes a host that has registered before, and was lost since; returns its UUID. */
export async function insertHost(db: Db, address: string): Promise<string> {
  const id = randomUUID();
  await db
    .insertInto("hosts")
    .values({ id, address, status: "unreachable", team_id: null, created_by: null, last_heartbeat_at: null })
    .execute();
  return id;
}
