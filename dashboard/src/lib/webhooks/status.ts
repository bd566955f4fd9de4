import type { Schemas } from "#lib/api/client.ts";

type Webhook = Schemas["Webhook"];
type Delivery = Schemas["WebhookDelivery"];

/** State of a webhook as pages tell it. */
export function stateOf({ enabled, failing_since }: Webhook): "on" | "off" | "failing" {
  if (!enabled) return "off";
  return failing_since === undefined ? "on" : "failing";
}

const DISABLED: Record<NonNullable<Webhook["disabled_reason"]>, string> = {
  failing: "The server has switched it off: no message had arrived for three days.",
  queue_full: "The server has switched it off: too many messages were waiting.",
};

/** Why it gets nothing, in a sentence; undefined while all is well. */
export function problemOf({ enabled, disabled_reason, failing_since }: Webhook): string | undefined {
  if (disabled_reason) return DISABLED[disabled_reason];
  if (!enabled) return "It is off, and told of nothing that happens meanwhile.";
  return failing_since && "Messages do not arrive. They are tried again for a day; the log says what was answered.";
}

/** State of a message as pages tell it. */
export function statusOf(status: Delivery["status"]): "delivered" | "waiting" | "failed" {
  return status === "pending" ? "waiting" : status;
}

/** What came of the last attempt, in a few words: "204" or why nothing was answered. */
export function resultOf({ response_status, error }: Delivery): string | undefined {
  return response_status === undefined ? error : `HTTP ${response_status}`;
}
