import { LIMITS } from "@warren/contracts/limits";
import type { WebhookPattern } from "@warren/contracts/rest/webhooks";
import { sql } from "kysely";
import { PLATFORM } from "../audit/audit-event.ts";
import type { WebhookEvents } from "../audit/webhook-events.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import { eventJson } from "../events/event-frames.ts";
import { EventLog, type EventPage, type LoggedEvent } from "../events/event-log.ts";
import { EventPosition } from "../events/event-position.ts";
import type { EventResources } from "../events/event-resources.ts";
import { toWireId } from "../identifiers/wire-id.ts";
import type { Logger } from "../logging.ts";
import { boundPauses } from "./bound-pauses.ts";
import type { DeliveryStore, Message } from "./delivery-store.ts";
import type { WebhookStore } from "./webhook-store.ts";

/** Events of one transaction. */
const PAGE = 200;

export interface EventFanOutParts {
  db: Db;
  hooks: WebhookStore;
  deliveries: DeliveryStore;
  resources: EventResources;
  audit: WebhookEvents;
  log: Logger;
}

interface Listener {
  id: string;
  team_id: string | null;
  events: WebhookPattern[];
}

/**
 * Makes deliveries of events, each once: what has been told of is noted in the transaction that notes the deliveries. It may run
 * in several control planes, of which one then waits for the other.
 */
export class EventFanOut {
  readonly #parts: EventFanOutParts;

  constructor(parts: EventFanOutParts) {
    this.#parts = parts;
  }

  /** Has whoever takes events or switches webhooks on wait until the transaction ends; before any webhook is locked. */
  async lock(db: Db): Promise<void> {
    await boundPauses(db);
    await sql`select from webhook_cursor for update`.execute(db);
  }

  /** Has events told of from here on, unless some are already: in the transaction that switches a webhook on. */
  async begin(db: Db): Promise<void> {
    const position = await new EventLog(db).end();
    await db.updateTable("webhook_cursor").set(cursorAt(position)).where("position", "is", null).execute();
  }

  /** Takes the next events; returns whether there are more. */
  async takeSome(): Promise<boolean> {
    const { db } = this.#parts;
    return transact(db, async (transaction) => {
      await boundPauses(transaction);
      const cursor = await transaction.selectFrom("webhook_cursor").select("position").forUpdate().executeTakeFirst();
      const start = cursor?.position ? EventPosition.parse(cursor.position) : undefined;
      if (!start) return false;
      const page = await new EventLog(transaction).read(start, "all", PAGE);
      // After the events: whoever was switched on before one of them was committed is among these.
      const listeners = await this.#listeners(transaction);
      if (listeners.length === 0) {
        await transaction.updateTable("webhook_cursor").set({ position: null, oldest: null }).execute();
        return false;
      }
      if (page.reset) this.#parts.log.error("events were removed before webhooks were told of them");
      await this.#deliver(page.events, listeners, transaction);
      const end = endOf(start, page);
      if (String(end) !== cursor?.position) {
        await transaction.updateTable("webhook_cursor").set(cursorAt(end)).execute();
      }
      return page.more;
    });
  }

  #listeners(db: Db): Promise<Listener[]> {
    return db.selectFrom("webhooks").select(["id", "team_id", "events"]).where("enabled", "=", true).execute();
  }

  async #deliver(events: readonly LoggedEvent[], listeners: readonly Listener[], db: Db): Promise<void> {
    const { deliveries, hooks, resources, audit } = this.#parts;
    const byTeam = Map.groupBy(listeners, ({ team_id }) => team_id);
    const platform = byTeam.get(null) ?? [];
    const wanted = events.flatMap((event) => {
      const told = [...(byTeam.get(event.team_id) ?? []), ...platform].filter((hook) => wants(hook, event));
      return told.length === 0 ? [] : [{ event, told }];
    });
    if (wanted.length === 0) return;
    const found = await resources.read(wanted.map(({ event }) => event));
    const messages = wanted.flatMap(({ event, told }, index): Message[] => {
      const payload = payloadOf(event, found[index]);
      return told.map(({ id }) => ({ webhookId: id, event: nameOf(event), payload }));
    });
    await deliveries.insert(messages, db);
    const told = [...new Set(messages.map(({ webhookId }) => webhookId))];
    const overfull = await deliveries.overfull(told, LIMITS.webhookQueue, db);
    if (overfull.length > 0) await hooks.switchOff(overfull, "queue_full", audit, db);
  }
}

/** What a message says of an event, with what it is about in JSON. */
function payloadOf(event: LoggedEvent, resource: string | undefined): string {
  const team = event.team_id === PLATFORM ? {} : { team_id: toWireId("team", event.team_id) };
  const head = JSON.stringify({ type: nameOf(event), timestamp: event.at.toISOString(), ...team });
  return `${head.slice(0, -1)},"data":${eventJson(event, resource)}}`;
}

function nameOf({ type, action }: LoggedEvent) {
  return `${type}.${action}` as const;
}

function wants({ events }: Listener, event: LoggedEvent): boolean {
  return events.includes("*") || events.includes(`${event.type}.*`) || events.includes(nameOf(event));
}

function endOf(start: EventPosition, page: EventPage): EventPosition {
  if (!page.more) return page.end;
  return page.events.reduce((position, event) => position.after(event, page.end), start);
}

function cursorAt(position: EventPosition) {
  const oldest = Math.min(...position.lacking.map(([xid]) => xid));
  return { position: String(position), oldest: sql<string>`${String(oldest)}::xid8` };
}
