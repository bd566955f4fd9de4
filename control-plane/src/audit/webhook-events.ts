import type { AuditActionOf, AuditStatus } from "@warren/contracts/rest/audit";
import { type Actor, SYSTEM } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { toWireId } from "../identifiers/wire-id.ts";
import { type AuditMetadata, PLATFORM } from "./audit-event.ts";
import { recordIn } from "./audit-store.ts";

/** A webhook as events name it. */
export interface AuditedWebhook {
  /** UUID. */
  id: string;
  /** Null for one of the platform. */
  team_id: string | null;
  name: string;
}

/**
 * The events of webhooks, each in the transaction of its change. Addresses are no part of them, but for the host: those of
 * chats are secrets.
 */
export class WebhookEvents {
  created(db: Db, by: Actor, hook: AuditedWebhook, about: { host: string; format: string; events: readonly string[] }) {
    return record(db, hook, by, "create", "success", about);
  }

  /** Settings were changed; `settings` has their new values, and the host of a new address. */
  updated(db: Db, by: Actor, hook: AuditedWebhook, settings: AuditMetadata) {
    return record(db, hook, by, "update", "info", settings);
  }

  deleted(db: Db, by: Actor, hook: AuditedWebhook) {
    return record(db, hook, by, "delete", "warning");
  }

  secretRotated(db: Db, by: Actor, hook: AuditedWebhook) {
    return record(db, hook, by, "rotate_secret", "warning");
  }

  tested(db: Db, by: Actor, hook: AuditedWebhook) {
    return record(db, hook, by, "test", "info");
  }

  redelivered(db: Db, by: Actor, hook: AuditedWebhook, delivery: string) {
    return record(db, hook, by, "redeliver", "info", { delivery: toWireId("dlv", delivery) });
  }

  /** The first message since the webhook fails was given up. */
  gaveUp(db: Db, hook: AuditedWebhook, about: { event: string; problem: string }) {
    return record(db, hook, SYSTEM, "give_up", "error", about);
  }

  /** The server has switched a webhook off. */
  disabled(db: Db, hook: AuditedWebhook, reason: string) {
    return record(db, hook, SYSTEM, "disable", "error", { reason });
  }
}

function record(
  db: Db,
  { id, team_id, name }: AuditedWebhook,
  actor: Actor,
  action: AuditActionOf<"webhook">,
  status: AuditStatus,
  metadata: AuditMetadata = {},
): Promise<void> {
  const about = { teamId: team_id ?? PLATFORM, resource: "webhook", resourceId: toWireId("hook", id) } as const;
  return recordIn(db, { ...about, actor, action, status, metadata: { name, ...metadata } });
}
