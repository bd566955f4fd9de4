import { AccountEvents } from "./account-events.ts";
import type { AuditEvent } from "./audit-event.ts";
import type { AuditRecorder } from "./audit-recorder.ts";
import { SandboxEvents } from "./sandbox-events.ts";
import { TeamEvents } from "./team-events.ts";
import { WebhookEvents } from "./webhook-events.ts";

/**
 * Records what happens, with one method for each event. Events that belong to a change take its transaction, and are there
 * if the change is. The others resolve once they are safe, and never reject.
 */
export class AuditLogger {
  readonly sandboxes: SandboxEvents;
  readonly teams: TeamEvents;
  readonly accounts: AccountEvents;
  readonly webhooks = new WebhookEvents();

  constructor(recorder: AuditRecorder) {
    const record = (event: AuditEvent) => recorder.record(event);
    this.sandboxes = new SandboxEvents(record);
    this.teams = new TeamEvents(record);
    this.accounts = new AccountEvents(record);
  }
}
