import type {
  DeliveryStatus,
  WebhookDisabledReason,
  WebhookFormat,
  WebhookPattern,
} from "@warren/contracts/rest/webhooks";
import type { Generated } from "kysely";

/** Table `webhooks`. */
export interface WebhooksTable {
  id: string;
  /** Null for one of the platform. */
  team_id: string | null;
  name: string;
  /** Sealed, as are the secrets. */
  url: string;
  format: WebhookFormat;
  events: WebhookPattern[];
  enabled: boolean;
  secret: string;
  previous_secret: string | null;
  previous_valid_until: Date | null;
  /** Set when the server has switched it off. */
  disabled_reason: WebhookDisabledReason | null;
  /** First failure since the last success. */
  failing_since: Date | null;
  /** Whether a delivery has been given up since then. */
  has_given_up: Generated<boolean>;
  created_by: string | null;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

/** Table `webhook_deliveries`. */
export interface WebhookDeliveriesTable {
  /** UUID of version 7: in the order of time. */
  id: string;
  webhook_id: string;
  /** Type of the message. */
  event: string;
  /** The message in the format `standard`. */
  payload: string;
  status: Generated<DeliveryStatus>;
  /** Attempts since it was made, or sent again. */
  tries: Generated<number>;
  /** All attempts. */
  attempts: Generated<number>;
  /** While an attempt is under way, when another one begins if nothing is heard of it. */
  next_attempt_at: Generated<Date>;
  created_at: Generated<Date>;
  last_attempt_at: Date | null;
  duration_ms: number | null;
  response_status: number | null;
  response: string | null;
  error: string | null;
}

/** Table `webhook_cursor`, which has one row. */
export interface WebhookCursorTable {
  is_only: Generated<boolean>;
  /** Up to where webhooks have been told of events; null while there is none that is. */
  position: string | null;
  /** First transaction (`xid8`) of which events may be lacking, as text. */
  oldest: string | null;
}

declare module "../database/tables.ts" {
  interface Tables {
    webhooks: WebhooksTable;
    webhook_deliveries: WebhookDeliveriesTable;
    webhook_cursor: WebhookCursorTable;
  }
}
