import { randomUUIDv7 } from "node:crypto";
import type { DeliveryStatus } from "@warren/contracts/rest/webhooks";
import { type Selectable, sql } from "kysely";
import type { Db } from "../database/tables.ts";
import type { WebhookDeliveriesTable } from "./webhook-tables.ts";

/**
 * Seconds after which an attempt of which nothing is heard counts as lost with its control plane: more than an attempt takes.
 */
const CLAIM_SEC = 60;

/** A row of `webhook_deliveries`. */
export type DeliveryRow = Selectable<WebhookDeliveriesTable>;

/** A message to be delivered. */
export interface Message {
  webhookId: string;
  event: string;
  payload: string;
}

/** What came of an attempt. */
export interface AttemptResult {
  status: DeliveryStatus;
  /** Seconds until the next attempt of one that is pending. */
  retryInSec: number;
  durationMs: number;
  responseStatus: number | null;
  response: string | null;
  error: string | null;
}

/** What a list tells of a webhook's newest delivery. */
export interface NewestDelivery {
  status: DeliveryStatus;
  /** Of the last attempt, or of the message before there is one. */
  at: Date;
}

/** Which deliveries of a webhook are wanted. */
export interface DeliveryFilter {
  status?: DeliveryStatus;
  /** Those that are older than this one. */
  before?: string;
  limit: number;
}

/** Rows of deliveries. `db` may be a transaction everywhere. */
export class DeliveryStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Notes messages, which are due at once. */
  async insert(messages: readonly Message[], db: Db): Promise<void> {
    if (messages.length === 0) return;
    const rows = messages.map(({ webhookId, event, payload }) => ({
      id: randomUUIDv7(),
      webhook_id: webhookId,
      event,
      payload,
    }));
    const values = JSON.stringify(rows);
    await sql`
      insert into webhook_deliveries (id, webhook_id, event, payload)
      select message.id, webhook_id, event, payload
      from jsonb_to_recordset(${values}::jsonb) as message (id uuid, webhook_id uuid, event text, payload text)
      -- A webhook that has just been deleted gets nothing.
      where exists (select from webhooks where webhooks.id = webhook_id for key share)
    `.execute(db);
  }

  /** Notes a message of which an attempt begins now. */
  async insertClaimed({ webhookId, event, payload }: Message, db: Db): Promise<DeliveryRow> {
    return db
      .insertInto("webhook_deliveries")
      .values({
        id: randomUUIDv7(),
        webhook_id: webhookId,
        event,
        payload,
        tries: 1,
        attempts: 1,
        next_attempt_at: inSeconds(CLAIM_SEC),
      })
      .returningAll()
      .executeTakeFirstOrThrow();
  }

  /** Webhooks that have more than `most` deliveries waiting, of those that are given. */
  async overfull(webhookIds: readonly string[], most: number, db: Db): Promise<string[]> {
    const { rows } = await sql<{ webhook_id: string }>`
      select webhook_id from webhook_deliveries where status = 'pending' and webhook_id = any(${webhookIds}::uuid[])
      group by webhook_id having count(*) > ${most}
    `.execute(db);
    return rows.map((row) => row.webhook_id);
  }

  /** Deliveries that are due, at most `perHook` of each webhook that is on, those of webhooks that do not fail first. */
  async due(perHook: number): Promise<{ id: string; webhookId: string; failing: boolean }[]> {
    const { rows } = await sql<{ id: string; webhook_id: string; failing: boolean }>`
      with waiting as (
        select distinct webhook_id from webhook_deliveries where status = 'pending' and next_attempt_at <= now()
      )
      select delivery.id, waiting.webhook_id, hook.failing_since is not null as failing
      from waiting
      join webhooks as hook on hook.id = waiting.webhook_id and hook.enabled
      cross join lateral (
        select id, next_attempt_at from webhook_deliveries
        where webhook_id = hook.id and status = 'pending' and next_attempt_at <= now()
        order by next_attempt_at limit ${perHook}
      ) as delivery
      order by hook.failing_since is not null, delivery.next_attempt_at
    `.execute(this.#db);
    return rows.map((row) => ({ id: row.id, webhookId: row.webhook_id, failing: row.failing }));
  }

  /** Milliseconds until the next delivery is due that is not yet; undefined when there is none. */
  async untilNext(): Promise<number | undefined> {
    const { rows } = await sql<{ ms: number | null }>`
      select (extract(epoch from min(next_attempt_at) - clock_timestamp()) * 1000)::float8 as ms
      from webhook_deliveries join webhooks on webhooks.id = webhook_id and enabled
      where status = 'pending' and next_attempt_at > now()
    `.execute(this.#db);
    return rows[0]?.ms ?? undefined;
  }

  /** Begins attempts at those that are still due; nobody else begins one until it has ended or is lost. */
  async claim(ids: readonly string[]): Promise<DeliveryRow[]> {
    return this.#db
      .updateTable("webhook_deliveries")
      .set(BEGUN)
      .where(sql<boolean>`id = any(${ids}::uuid[])`)
      .where("status", "=", "pending")
      .where("next_attempt_at", "<=", sql<Date>`now()`)
      .returningAll()
      .execute();
  }

  /** Begins the first of new attempts at a delivery that is over; undefined when it is not, or not there. */
  async claimAgain(webhookId: string, id: string, db: Db): Promise<DeliveryRow | undefined> {
    return db
      .updateTable("webhook_deliveries")
      .set({ ...BEGUN, status: "pending", tries: 1 })
      .where("webhook_id", "=", webhookId)
      .where("id", "=", id)
      .where("status", "<>", "pending")
      .returningAll()
      .executeTakeFirst();
  }

  /** Notes what came of an attempt; undefined when it counts as lost and another one has begun, or the webhook is gone. */
  async finish({ id, attempts }: DeliveryRow, result: AttemptResult, db: Db): Promise<DeliveryRow | undefined> {
    return db
      .updateTable("webhook_deliveries")
      .set({
        status: result.status,
        next_attempt_at: inSeconds(result.retryInSec),
        last_attempt_at: sql<Date>`now()`,
        duration_ms: result.durationMs,
        response_status: result.responseStatus,
        response: result.response,
        error: result.error,
      })
      .where("id", "=", id)
      .where("attempts", "=", attempts)
      .where("status", "=", "pending")
      .returningAll()
      .executeTakeFirst();
  }

  /** Lets an attempt that was broken off begin anew elsewhere, at once. */
  async release({ id, attempts }: DeliveryRow): Promise<void> {
    await this.#db
      .updateTable("webhook_deliveries")
      .set({ next_attempt_at: sql<Date>`now()`, tries: sql<number>`tries - 1` })
      .where("id", "=", id)
      .where("attempts", "=", attempts)
      .where("status", "=", "pending")
      .execute();
  }

  /** The newest of each webhook that has any, by the webhook's id. */
  async newest(webhookIds: readonly string[]): Promise<Map<string, NewestDelivery>> {
    const { rows } = await sql<NewestDelivery & { webhook_id: string }>`
      select delivery.* from unnest(${webhookIds}::uuid[]) as hook (id)
      cross join lateral (
        select webhook_id, status, coalesce(last_attempt_at, created_at) as at
        from webhook_deliveries where webhook_id = hook.id order by id desc limit 1
      ) as delivery
    `.execute(this.#db);
    return new Map(rows.map((row) => [row.webhook_id, row]));
  }

  /** Those of a webhook, the newest first. */
  async list(webhookId: string, { status, before, limit }: DeliveryFilter): Promise<DeliveryRow[]> {
    return this.#db
      .selectFrom("webhook_deliveries")
      .selectAll()
      .where("webhook_id", "=", webhookId)
      .$if(status !== undefined, (query) => query.where("status", "=", status!))
      .$if(before !== undefined, (query) => query.where("id", "<", before!))
      .orderBy("id", "desc")
      .limit(limit)
      .execute();
  }

  async find(webhookId: string, id: string, db: Db = this.#db): Promise<DeliveryRow | undefined> {
    return db
      .selectFrom("webhook_deliveries")
      .selectAll()
      .where("webhook_id", "=", webhookId)
      .where("id", "=", id)
      .executeTakeFirst();
  }
}

/** What the beginning of an attempt changes. */
const BEGUN = {
  next_attempt_at: inSeconds(CLAIM_SEC),
  tries: sql<number>`tries + 1`,
  attempts: sql<number>`attempts + 1`,
};

function inSeconds(seconds: number) {
  return sql<Date>`now() + ${seconds} * interval '1 second'`;
}
