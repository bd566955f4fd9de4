import type { AuditLog, AuditPage } from "@warren/contracts/rest/audit";
import pg from "pg";
import type { Person } from "./person.ts";

/** Events that a person sees, the newest first: a page, or what a query asks for. */
export async function eventsOf(person: Person, query = ""): Promise<AuditLog[]> {
  return (await person.get<AuditPage>(`/v1/audit-logs${query}`)).items;
}

/** What tests compare of events, the oldest first: action, status, actor and what else was noted. */
export function told(events: readonly AuditLog[]): unknown[][] {
  return events
    .map(({ resource_type, action, status, actor_type, actor_name, metadata }) => [
      `${resource_type} ${action}`,
      status,
      actor_name ?? actor_type,
      ...(metadata ? [metadata] : []),
    ])
    .reverse();
}

/** Asks the database itself, as the product's own role. */
export async function query(url: string, text: string, values: unknown[] = []): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await client.query(text, values);
  } finally {
    await client.end();
  }
}
