import { sql } from "kysely";
import { Webhook as Signer } from "standardwebhooks";
import type { WebhookEvents } from "../audit/webhook-events.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import { toWireId } from "../identifiers/wire-id.ts";
import { boundPauses } from "./bound-pauses.ts";
import type { AttemptResult, DeliveryRow, DeliveryStore } from "./delivery-store.ts";
import { type HttpPost, PostFailed } from "./http-post.ts";
import { bodyOf } from "./message-formats.ts";
import { RETRY_SEC, secondsToRetry } from "./retry-schedule.ts";
import type { WebhookRow, WebhookStore } from "./webhook-store.ts";

/** Hours of failure after which a webhook is switched off once a message is given up. */
const PATIENCE_HOURS = 72;

export interface DeliverySenderParts {
  db: Db;
  hooks: WebhookStore;
  deliveries: DeliveryStore;
  post: HttpPost;
  audit: WebhookEvents;
  /** Seconds after each attempt; the usual ones when absent. */
  retrySec?: readonly number[];
}

/** Makes attempts that have begun, and notes what came of them. */
export class DeliverySender {
  readonly #parts: DeliverySenderParts;

  constructor(parts: DeliverySenderParts) {
    this.#parts = parts;
  }

  /**
   * Sends a claimed delivery once; returns it as it is then, undefined when its webhook is gone. When `stop` is aborted the
   * attempt is broken off and begins anew elsewhere. Rejects when the database does not answer: the claim then runs out.
   */
  async attempt(delivery: DeliveryRow, stop: AbortSignal): Promise<DeliveryRow | undefined> {
    const { hooks, deliveries } = this.#parts;
    const hook = await hooks.get(delivery.webhook_id);
    if (!hook) return undefined;
    const begin = performance.now();
    let answer: Pick<AttemptResult, "responseStatus" | "response" | "error">;
    try {
      const { status, text } = await this.#send(hook, delivery, stop);
      answer = { responseStatus: status, response: text, error: null };
    } catch (error) {
      if (!(error instanceof PostFailed)) {
        await deliveries.release(delivery);
        throw error;
      }
      answer = { responseStatus: null, response: null, error: error.message };
    }
    return this.#note(delivery, { ...answer, durationMs: Math.round(performance.now() - begin) });
  }

  #send(hook: WebhookRow, delivery: DeliveryRow, stop: AbortSignal) {
    const body = bodyOf(hook.format, delivery.payload);
    const headers = { "content-type": "application/json", ...signaturesOf(hook, toWireId("dlv", delivery.id), body) };
    return this.#parts.post.send(hook.url, body, headers, stop);
  }

  async #note(
    delivery: DeliveryRow,
    answer: Omit<AttemptResult, "status" | "retryInSec">,
  ): Promise<DeliveryRow | undefined> {
    const { db, deliveries, retrySec = RETRY_SEC } = this.#parts;
    const { responseStatus } = answer;
    const delivered = responseStatus !== null && responseStatus >= 200 && responseStatus < 300;
    const retryInSec = delivered ? undefined : secondsToRetry(delivery.tries, retrySec);
    const status = delivered ? "delivered" : retryInSec === undefined ? "failed" : "pending";
    const result = { ...answer, status, retryInSec: retryInSec ?? 0 } as const;
    return transact(db, async (transaction) => {
      await boundPauses(transaction);
      // Before the delivery, in the order in which the end of a webhook takes both.
      await sql`select from webhooks where id = ${delivery.webhook_id} for no key update`.execute(transaction);
      const noted = await deliveries.finish(delivery, result, transaction);
      if (noted && delivered) await noteSuccess(delivery.webhook_id, transaction);
      else if (noted) await this.#noteFailure(noted, transaction);
      return noted;
    });
  }

  async #noteFailure(delivery: DeliveryRow, db: Db): Promise<void> {
    const { audit, hooks } = this.#parts;
    const given = delivery.status === "failed";
    const hook = await db
      .updateTable("webhooks")
      .set({ failing_since: sql<Date>`coalesce(failing_since, now())` })
      .where("id", "=", delivery.webhook_id)
      .where((of) => of.or([of("failing_since", "is", null), of.val(given)]))
      .returning([
        "id",
        "team_id",
        "name",
        "enabled",
        "has_given_up",
        sql<boolean>`failing_since < now() - ${PATIENCE_HOURS} * interval '1 hour'`.as("is_hopeless"),
      ])
      .executeTakeFirst();
    if (!hook || !given) return;
    if (!hook.has_given_up) {
      await db.updateTable("webhooks").set({ has_given_up: true }).where("id", "=", hook.id).execute();
      const problem = delivery.error ?? `the answer had the status ${delivery.response_status}`;
      await audit.gaveUp(db, hook, { event: delivery.event, problem });
    }
    if (hook.is_hopeless && hook.enabled) await hooks.switchOff([hook.id], "failing", audit, db);
  }
}

async function noteSuccess(webhookId: string, db: Db): Promise<void> {
  await db
    .updateTable("webhooks")
    .set({ failing_since: null, has_given_up: false })
    .where("id", "=", webhookId)
    .where("failing_since", "is not", null)
    .execute();
}

/** Headers of Standard Webhooks; with the signature of the former secret too, as long as that is good. */
function signaturesOf(hook: WebhookRow, id: string, body: string): Record<string, string> {
  const now = new Date();
  const { secret, previous_secret: previous, previous_valid_until: until } = hook;
  const secrets = previous !== null && until !== null && until > now ? [secret, previous] : [secret];
  return {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
    "webhook-signature": secrets.map((each) => new Signer(each).sign(id, now, body)).join(" "),
  };
}
