import { WarrenError } from "@warren/contracts/errors";
import { AUDIT_EVENTS, type AuditFilters, type AuditLog, type AuditScope } from "@warren/contracts/rest/audit";
import { type RawBuilder, type Selectable, type SqlBool, sql } from "kysely";
import type { Db } from "../database/tables.ts";
import { momentOf } from "../date-time.ts";
import { toWireId } from "../identifiers/wire-id.ts";
import { type AuditPosition, timeOf } from "./audit-cursor.ts";
import type { AuditLogsTable } from "./audit-logs-table.ts";

/** Events that an export reads at once. */
const EXPORTED = 1000;

/** Whose events are looked for. */
export interface AuditView {
  /** UUID of a team, or `PLATFORM`. */
  teamId: string;
  scopes: readonly AuditScope[];
}

/** A row with its place in the order of events. */
type Row = Selectable<AuditLogsTable> & { micros: number };

/**
 * How a page is read: as one stream of rows or several, each of which an index has in the order of the page, so that no
 * more rows are looked at than a page from each.
 */
interface Streams {
  /** A table `stream`, with a row for each. */
  table: RawBuilder<unknown>;
  /** Ties rows of the log to a stream. */
  tie: RawBuilder<SqlBool>;
}

/** Reads the audit log, the newest events first. */
export class AuditQuery {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** A page after a position, or the first; `next` is the position of its last event when more follow. */
  async page(
    view: AuditView,
    filters: AuditFilters,
    { limit, after }: { limit: number; after?: AuditPosition | undefined },
  ): Promise<{ items: AuditLog[]; next?: AuditPosition }> {
    const rows = await this.#select(view, filters, limit + 1, after);
    const items = rows.slice(0, limit).map(toAuditLog);
    const last = rows[limit - 1];
    return rows.length > limit && last ? { items, next: { micros: last.micros, id: last.id } } : { items };
  }

  /** All events that were there at the beginning, a page after the other, as they are asked for. */
  async *pages(view: () => Promise<AuditView>, filters: AuditFilters): AsyncGenerator<AuditLog[]> {
    const to = filters.to ?? new Date().toISOString();
    for (let after: AuditPosition | undefined, isLast = false; !isLast; ) {
      const { items, next } = await this.page(await view(), { ...filters, to }, { limit: EXPORTED, after });
      if (items.length > 0) yield items;
      after = next;
      isLast = next === undefined;
    }
  }

  async #select(view: AuditView, filters: AuditFilters, limit: number, after?: AuditPosition): Promise<Row[]> {
    const { table, tie } = streamsOf(view, filters);
    const conditions = [sql<SqlBool>`log.team_id = ${view.teamId}::uuid`, tie, ...conditionsOf(view, filters)];
    if (after) conditions.push(sql`(log.created_at, log.id) < (${timeOf(after)}::timestamptz, ${after.id}::uuid)`);
    const { rows } = await sql<Row>`
      select log.*, (extract(epoch from log.created_at) * 1000000)::bigint as micros
      from ${table}
      cross join lateral (
        select * from audit_logs as log where ${sql.join(conditions, sql` and `)}
        order by log.created_at desc, log.id desc limit ${limit}
      ) as log
      order by log.created_at desc, log.id desc limit ${limit}
    `.execute(this.#db);
    return rows;
  }
}

/** The streams of the filter that lets the fewest events through. */
function streamsOf({ scopes }: AuditView, filters: AuditFilters): Streams {
  if (filters.resource_id !== undefined) {
    return { table: sql`(values (1)) as stream`, tie: sql`log.resource_id = ${filters.resource_id}` };
  }
  if (filters.actor) {
    return {
      table: sql`unnest(${actorIds(filters.actor)}::text[]) as stream (id)`,
      tie: sql`log.actor_id = stream.id`,
    };
  }
  if (filters.resource_type || filters.action) {
    const { resources, actions } = eventsOf(scopes, filters);
    return {
      table: sql`unnest(${resources}::text[], ${actions}::text[]) as stream (resource, action)`,
      tie: sql`log.resource_type = stream.resource and log.action = stream.action`,
    };
  }
  return { table: sql`unnest(${[...scopes]}::text[]) as stream (scope)`, tie: sql`log.scope = stream.scope` };
}

/** What holds for the rows of every stream. */
function conditionsOf({ scopes }: AuditView, filters: AuditFilters): RawBuilder<SqlBool>[] {
  const conditions = [sql<SqlBool>`log.scope = any(${[...scopes]}::text[])`];
  if (filters.resource_id !== undefined && filters.actor) {
    conditions.push(sql`log.actor_id = any(${actorIds(filters.actor)}::text[])`);
  }
  if (filters.resource_type) conditions.push(sql`log.resource_type = any(${valuesOf(filters.resource_type)}::text[])`);
  if (filters.action) conditions.push(sql`log.action = any(${valuesOf(filters.action)}::text[])`);
  const [from, to] = [filters.from, filters.to].map((time) => (time === undefined ? undefined : momentOf(time)));
  if (from && to && from >= to)
    throw new WarrenError("invalid_request", "querystring/from must be before querystring/to");
  if (from) conditions.push(sql`log.created_at >= ${from.toISOString()}::timestamptz`);
  if (to) conditions.push(sql`log.created_at < ${to.toISOString()}::timestamptz`);
  return conditions;
}

/** The kinds of events that a filter lets through and a view shows, as two lists side by side. */
function eventsOf(scopes: readonly AuditScope[], filters: AuditFilters): { resources: string[]; actions: string[] } {
  const resources = valuesOf(filters.resource_type ?? Object.keys(AUDIT_EVENTS));
  const actions = filters.action && valuesOf(filters.action);
  const events = Object.entries(AUDIT_EVENTS as Record<string, Record<string, { scope: AuditScope }>>)
    .filter(([resource]) => resources.includes(resource))
    .flatMap(([resource, kinds]) => Object.entries(kinds).map(([action, { scope }]) => ({ resource, action, scope })))
    .filter(({ action, scope }) => (actions?.includes(action) ?? true) && scopes.includes(scope));
  return { resources: events.map(({ resource }) => resource), actions: events.map(({ action }) => action) };
}

function actorIds(filter: readonly string[]): string[] {
  return valuesOf(filter).map((actor) => (actor === "system" ? "" : actor));
}

/** The values of a filter that was given once or several times, with commas between values or without. */
function valuesOf(filter: readonly string[]): string[] {
  return [...new Set(filter.flatMap((text) => text.split(",")).map((value) => value.trim()))];
}

/** An event as clients see it. */
function toAuditLog(row: Row): AuditLog {
  return {
    id: toWireId("log", row.id),
    actor_type: row.actor_type,
    ...(row.actor_id !== "" && { actor_id: row.actor_id }),
    ...(row.actor_name !== "" && { actor_name: row.actor_name }),
    resource_type: row.resource_type as AuditLog["resource_type"],
    ...(row.resource_id !== null && { resource_id: row.resource_id }),
    action: row.action as AuditLog["action"],
    scope: row.scope,
    status: row.status,
    ...(Object.keys(row.metadata).length > 0 && { metadata: row.metadata }),
    created_at: row.created_at.toISOString(),
  };
}
