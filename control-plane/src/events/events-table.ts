import type { EventAction, EventType } from "@warren/contracts/rest/events";
import type { SandboxReason } from "@warren/contracts/rest/sandboxes";
import type { Generated, GeneratedAlways } from "kysely";

/** Table `events`, which triggers of the database write. */
export interface EventsTable {
  /** Transaction that wrote it (`xid8`), as text. */
  xid: Generated<string>;
  /** Grows within a transaction. */
  id: GeneratedAlways<number>;
  team_id: string;
  type: EventType;
  action: EventAction;
  /** UUID or id of what has changed, or the name of a template. */
  subject: string;
  /** Of a sandbox or a host, after the change. */
  status: string | null;
  /** Why a sandbox is in its status; JSON. */
  reason: Omit<SandboxReason, "console"> | null;
  at: Generated<Date>;
}

/** Table `event_log`, which has one row. */
export interface EventLogTable {
  is_only: Generated<boolean>;
  /** Eight digits in hex. */
  name: string;
  /** Transaction up to which events have been removed (`xid8`), as text. */
  removed: Generated<string>;
}

declare module "../database/tables.ts" {
  interface Tables {
    events: EventsTable;
    event_log: EventLogTable;
  }
}
