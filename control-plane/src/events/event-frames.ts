import type { EventType, StreamReady, StreamReset, TeamEvent } from "@warren/contracts/rest/events";
import { toWireId } from "../identifiers/wire-id.ts";
import type { LoggedEvent } from "./event-log.ts";
import type { EventPlace, EventPosition } from "./event-position.ts";

/** An event as streams send it, but for its id. */
export interface SentEvent extends EventPlace {
  type: EventType;
  /** Its fields `event` and `data`, each with the end of its line (HTML standard, section 9.2). */
  text: string;
}

/** What happened in a team between two positions. */
export class EventBatch {
  readonly start: EventPosition;
  readonly end: EventPosition;
  readonly events: readonly SentEvent[];
  readonly #frames = new Map<string, Buffer | undefined>();

  constructor(start: EventPosition, end: EventPosition, events: readonly SentEvent[]) {
    this.start = start;
    this.end = end;
    this.events = events;
  }

  /** The bytes for those who are at the start of the batch and ask for these types; all of them share one buffer. */
  framesFor(types: readonly EventType[]): Buffer | undefined {
    const key = types.join();
    if (!this.#frames.has(key)) this.#frames.set(key, this.framesFrom(this.start, types));
    return this.#frames.get(key);
  }

  /** The bytes of what a reader at a position lacks. */
  framesFrom(position: EventPosition, types: readonly EventType[]): Buffer | undefined {
    let text = "";
    let last = position;
    for (const event of this.events) {
      if (!last.lacks(event)) continue;
      last = last.after(event, this.end);
      if (types.includes(event.type)) text += `id: ${last}\n${event.text}\n`;
    }
    return text === "" ? undefined : Buffer.from(text);
  }
}

/** An event for a stream, with `resource` in JSON. */
export function toSentEvent(event: LoggedEvent, resource: string | undefined): SentEvent {
  const { xid, id, type } = event;
  return { xid, id, type, text: `event: ${type}\ndata: ${eventJson(event, resource)}\n` };
}

/** What an event says, a `TeamEvent` in JSON, with `resource` in JSON. */
export function eventJson(event: LoggedEvent, resource: string | undefined): string {
  const { type, action, status, reason, at } = event;
  const about = { ...(status !== null && { status }), ...(reason !== null && { reason }) };
  const head = { type, action, id: subjectOf(event), ...about, at: at.toISOString() };
  const json = JSON.stringify(head satisfies Pick<TeamEvent, "type" | "action" | "id" | "at">);
  return resource === undefined ? json : `${json.slice(0, -1)},"resource":${resource}}`;
}

/** First words of a stream: how many milliseconds its client may wait before it connects again, and that it goes on. */
export function readyFrame(ready: StreamReady, retryMs: number, position?: EventPosition): string {
  const id = position === undefined ? "" : `id: ${position}\n`;
  return `retry: ${retryMs}\n${id}event: ready\ndata: ${JSON.stringify(ready)}\n\n`;
}

export function resetFrame(reset: StreamReset, position: EventPosition): string {
  return `id: ${position}\nevent: reset\ndata: ${JSON.stringify(reset)}\n\n`;
}

/** A sign of life, which moves the client on in a log whose events are not for it. */
export function heartbeatFrame(position?: EventPosition): string {
  return position === undefined ? ": heartbeat\n\n" : `: heartbeat\nid: ${position}\n\n`;
}

function subjectOf({ type, subject }: LoggedEvent): string {
  if (type === "api_key") return toWireId("key", subject);
  if (type === "member") return toWireId("usr", subject);
  if (type === "team" || type === "quota") return toWireId("team", subject);
  if (type === "host") return toWireId("host", subject);
  return subject;
}
