import type { NewWebhook, Webhook, WebhookDelivery } from "@warren/contracts/rest/webhooks";
import { toWireId } from "../identifiers/wire-id.ts";
import type { DeliveryRow, NewestDelivery } from "./delivery-store.ts";
import type { WebhookRow } from "./webhook-store.ts";

/** A webhook as those who manage it see it. */
export function toWebhook(row: WebhookRow, newest?: NewestDelivery): Webhook {
  const { previous_valid_until: until } = row;
  return {
    id: toWireId("hook", row.id),
    ...(row.team_id !== null && { team_id: toWireId("team", row.team_id) }),
    name: row.name,
    url: row.url,
    format: row.format,
    events: row.events,
    enabled: row.enabled,
    ...(row.disabled_reason !== null && { disabled_reason: row.disabled_reason }),
    ...(newest && { last_delivery: { status: newest.status, at: newest.at.toISOString() } }),
    ...(row.failing_since && { failing_since: row.failing_since.toISOString() }),
    ...(until && until.getTime() > Date.now() && { previous_secret_valid_until: until.toISOString() }),
    ...(row.created_by !== null && { created_by: toWireId("usr", row.created_by) }),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

/** The same, the only time that its secret is told. */
export function toNewWebhook(row: WebhookRow): NewWebhook {
  return { ...toWebhook(row), secret: row.secret };
}

export function toDelivery(row: DeliveryRow): WebhookDelivery {
  return {
    id: toWireId("dlv", row.id),
    event: row.event,
    status: row.status,
    attempts: row.attempts,
    created_at: row.created_at.toISOString(),
    ...(row.status === "pending" && { next_attempt_at: row.next_attempt_at.toISOString() }),
    ...(row.last_attempt_at && { last_attempt_at: row.last_attempt_at.toISOString() }),
    ...(row.duration_ms !== null && { duration_ms: row.duration_ms }),
    ...(row.response_status !== null && { response_status: row.response_status }),
    ...(row.response !== null && { response: row.response }),
    ...(row.error !== null && { error: row.error }),
  };
}
