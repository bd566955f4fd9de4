import { sql } from "kysely";
import type { Db } from "../database/tables.ts";
import { type AuditEvent, alsoForPlatform, PLATFORM, type StoredEvent, stored } from "./audit-event.ts";

/** Events that one statement takes. */
export const BATCH = 500;

/** Records events in the transaction of the change that they belong to. */
export function recordIn(db: Db, ...events: AuditEvent[]): Promise<void> {
  return insertEvents(db, events.map(stored));
}

/** Records an event of a team for the platform as well, where the name that the team has now tells it from others. */
export async function recordForBoth(db: Db, event: AuditEvent): Promise<void> {
  const team =
    event.teamId === PLATFORM
      ? undefined
      : await db.selectFrom("teams").select("name").where("id", "=", event.teamId).executeTakeFirst();
  await recordIn(db, ...alsoForPlatform(event, team?.name));
}

/**
 * Stores events, each once, however often it is given; `db` may be a transaction. Starts of commands, and who
 * joins them, are left out for teams that do not want them.
 */
export async function insertEvents(db: Db, events: readonly StoredEvent[]): Promise<void> {
  for (let start = 0; start < events.length; start += BATCH) {
    const rows = JSON.stringify(events.slice(start, start + BATCH));
    await sql`
      insert into audit_logs (id, team_id, actor_type, actor_id, actor_name, resource_type, resource_id, action, scope,
        status, metadata, created_at)
      select event.id, team_id, actor_type, actor_id, actor_name, resource_type, resource_id, action, scope,
        status, metadata, timestamptz 'epoch' + at * interval '1 microsecond'
      from jsonb_to_recordset(${rows}::jsonb) as event (id uuid, team_id uuid, actor_type text,
        actor_id text, actor_name text, resource_type text, resource_id text, action text, scope text, status text,
        metadata jsonb, at bigint)
      where not (resource_type = 'sandbox' and action in ('exec', 'join_process'))
        or coalesce((select audit_exec from teams where teams.id = event.team_id), true)
      on conflict (id) do nothing
    `.execute(db);
  }
}
