import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import {
  AUDIT_EVENTS,
  AUDIT_SCOPES,
  type AuditFilters,
  type AuditLog,
  type AuditScope,
} from "@warren/contracts/rest/audit";
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
 * How a page is read: as one stream of rows or several, each of which an index has in the order of the page. However rare
 * what is asked for may be, no more entries of the index are looked at than a page from each.
 */
interface Streams {
  /** Tables `kind`, `actor` or `visible`, with a row for each combination. */
  table: RawBuilder<unknown>;
  /** Ties rows of the log to a stream. */
  ties: RawBuilder<SqlBool>[];
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
    const { table, ties } = streamsOf(view, filters);
    const conditions = [sql<SqlBool>`log.team_id = ${view.teamId}::uuid`, ...ties, ...conditionsOf(view, filters)];
    if (after) conditions.push(sql`(log.created_at, log.id) < (${timeOf(after)}::timestamptz, ${after.id}::uuid)`);
    // Most rows of many streams are on no page: only those that are get read from the table.
    const { rows } = await sql<Row>`
      select log.*, (extract(epoch from log.created_at) * 1000000)::bigint as micros
      from (
        select place.* from ${table} cross join lateral (
          select log.created_at, log.id from audit_logs as log where ${sql.join(conditions, sql` and `)}
          order by log.created_at desc, log.id desc limit ${limit}
        ) as place
        order by place.created_at desc, place.id desc limit ${limit}
      ) as place
      join audit_logs as log on log.id = place.id
      order by place.created_at desc, place.id desc
    `.execute(this.#db);
    return rows;
  }
}

/** The streams of what the filters let through, by all of them but those for times. */
function streamsOf(view: AuditView, filters: AuditFilters): Streams {
  const { resource_id: resourceId, actor, resource_type: resourceType, action } = filters;
  if (!(resourceId ?? actor ?? resourceType ?? action)) {
    return {
      table: sql`unnest(${[...view.scopes]}::text[]) as visible (scope)`,
      ties: [sql`log.scope = visible.scope`],
    };
  }
  const { resources, actions } = eventsOf(view.scopes, filters);
  const tables = [sql`unnest(${resources}::text[], ${actions}::text[]) as kind (resource, action)`];
  const ties = [sql<SqlBool>`log.resource_type = kind.resource`, sql<SqlBool>`log.action = kind.action`];
  if (resourceId !== undefined) ties.push(sql`log.resource_id = ${resourceId}`);
  if (actor) {
    tables.push(sql`unnest(${actorIds(actor)}::text[]) as actor (id)`);
    ties.push(sql`log.actor_id = actor.id`);
  }
  return { table: sql.join(tables, sql` cross join `), ties };
}

/** What holds for the rows of every stream. */
function conditionsOf({ scopes }: AuditView, filters: AuditFilters): RawBuilder<SqlBool>[] {
  // Of those who see all, the table need not be asked for the scope, which most indexes have not.
  const seesAll = AUDIT_SCOPES.every((scope) => scopes.includes(scope));
  const conditions = seesAll ? [] : [sql<SqlBool>`log.scope = any(${[...scopes]}::text[])`];
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
  const actors = valuesOf(filter);
  if (actors.length > LIMITS.auditActors) {
    const message = `querystring/actor names ${actors.length} actors; name ${LIMITS.auditActors} at most`;
    throw new WarrenError("invalid_request", message);
  }
  return actors.map((actor) => (actor === "system" ? "" : actor));
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
