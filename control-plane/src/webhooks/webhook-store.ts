import { randomBytes, randomUUID } from "node:crypto";
import type { CreateWebhook, UpdateWebhook, WebhookDisabledReason } from "@warren/contracts/rest/webhooks";
import { type Selectable, sql } from "kysely";
import type { WebhookEvents } from "../audit/webhook-events.ts";
import type { Db } from "../database/tables.ts";
import { WEBHOOK_PREVIOUS_SECRET, WEBHOOK_SECRET, WEBHOOK_URL } from "../secrets/sealed-columns.ts";
import type { Secrets } from "../secrets/secrets.ts";
import { boundPauses } from "./bound-pauses.ts";
import type { WebhooksTable } from "./webhook-tables.ts";

/** Bytes of a secret. */
const SECRET_BYTES = 32;
/** Seconds for which messages have a signature of the former secret as well. */
const PREVIOUS_SECRET_SEC = 24 * 3600;

/** A row of `webhooks`, opened. */
export type WebhookRow = Selectable<WebhooksTable>;

/** Whose webhooks: those of a team by UUID, or null for those of the platform. */
export type WebhookOwner = string | null;

/** Rows of webhooks. `db` may be a transaction everywhere. */
export class WebhookStore {
  readonly #db: Db;
  readonly #secrets: Secrets;

  constructor(db: Db, secrets: Secrets) {
    this.#db = db;
    this.#secrets = secrets;
  }

  /** Those of an owner, the oldest first. */
  async list(owner: WebhookOwner): Promise<WebhookRow[]> {
    const rows = await ofOwner(this.#db, owner).orderBy("created_at").orderBy("id").execute();
    return rows.map((row) => this.#open(row));
  }

  async find(owner: WebhookOwner, id: string, db: Db = this.#db): Promise<WebhookRow | undefined> {
    const row = await ofOwner(db, owner).where("id", "=", id).executeTakeFirst();
    return row && this.#open(row);
  }

  /** The same, whose row nobody else changes until the transaction ends. */
  async lock(owner: WebhookOwner, id: string, db: Db): Promise<WebhookRow | undefined> {
    await boundPauses(db);
    const row = await ofOwner(db, owner).where("id", "=", id).forUpdate().executeTakeFirst();
    return row && this.#open(row);
  }

  /** One of whatever owner. */
  async get(id: string, db: Db = this.#db): Promise<WebhookRow | undefined> {
    const row = await db.selectFrom("webhooks").selectAll().where("id", "=", id).executeTakeFirst();
    return row && this.#open(row);
  }

  /** How many an owner has. */
  async count(owner: WebhookOwner, db: Db): Promise<number> {
    const { count } = await db
      .selectFrom("webhooks")
      .select(sql<number>`count(*)`.as("count"))
      .where("team_id", owner === null ? "is" : "=", owner)
      .executeTakeFirstOrThrow();
    return count;
  }

  async insert(owner: WebhookOwner, request: CreateWebhook, createdBy: string, db: Db): Promise<WebhookRow> {
    const id = randomUUID();
    const { name, url, events, format = "standard", enabled = true } = request;
    const row = await db
      .insertInto("webhooks")
      .values({
        id,
        team_id: owner,
        name,
        url: this.#secrets.seal(WEBHOOK_URL, id, url),
        format,
        events,
        enabled,
        secret: this.#secrets.seal(WEBHOOK_SECRET, id, newSecret()),
        created_by: createdBy,
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    return this.#open(row);
  }

  /** Changes settings; who switches one on, or has it go elsewhere, lets it begin anew. */
  async update(id: string, { url, ...settings }: UpdateWebhook, db: Db): Promise<WebhookRow> {
    const isNew = settings.enabled === true || url !== undefined;
    const row = await db
      .updateTable("webhooks")
      .set({
        ...settings,
        ...(url !== undefined && { url: this.#secrets.seal(WEBHOOK_URL, id, url) }),
        ...(settings.enabled !== undefined && { disabled_reason: null }),
        ...(isNew && { failing_since: null, has_given_up: false }),
        updated_at: sql<Date>`now()`,
      })
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirstOrThrow();
    return this.#open(row);
  }

  /** Switches webhooks off that are on, for the server itself. */
  async switchOff(ids: readonly string[], reason: WebhookDisabledReason, audit: WebhookEvents, db: Db): Promise<void> {
    const off = await db
      .updateTable("webhooks")
      .set({ enabled: false, disabled_reason: reason, updated_at: sql<Date>`now()` })
      .where(sql<boolean>`id = any(${ids}::uuid[])`)
      .where("enabled", "=", true)
      .returning(["id", "team_id", "name"])
      .execute();
    for (const hook of off) await audit.disabled(db, hook, reason);
  }

  async delete(id: string, db: Db): Promise<void> {
    await db.deleteFrom("webhooks").where("id", "=", id).execute();
  }

  /** Gives a webhook another secret; the present one is good for signatures for a day more. */
  async rotate({ id, secret }: WebhookRow, db: Db): Promise<WebhookRow> {
    const row = await db
      .updateTable("webhooks")
      .set({
        secret: this.#secrets.seal(WEBHOOK_SECRET, id, newSecret()),
        previous_secret: this.#secrets.seal(WEBHOOK_PREVIOUS_SECRET, id, secret),
        previous_valid_until: sql<Date>`now() + ${PREVIOUS_SECRET_SEC} * interval '1 second'`,
        updated_at: sql<Date>`now()`,
      })
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirstOrThrow();
    return this.#open(row);
  }

  #open(row: WebhookRow): WebhookRow {
    const { id, previous_secret: previous } = row;
    return {
      ...row,
      url: this.#secrets.open(WEBHOOK_URL, id, row.url),
      secret: this.#secrets.open(WEBHOOK_SECRET, id, row.secret),
      previous_secret: previous && this.#secrets.open(WEBHOOK_PREVIOUS_SECRET, id, previous),
    };
  }
}

function ofOwner(db: Db, owner: WebhookOwner) {
  return db
    .selectFrom("webhooks")
    .selectAll()
    .where("team_id", owner === null ? "is" : "=", owner);
}

/** As Standard Webhooks writes secrets. */
function newSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString("base64")}`;
}
