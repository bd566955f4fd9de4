import { randomUUIDv7 } from "node:crypto";
import { AUDIT_EVENTS, type AuditActionOf, type AuditResource, type AuditStatus } from "@warren/contracts/rest/audit";
import type { Actor } from "../callers/caller.ts";
import { toWireId } from "../identifiers/wire-id.ts";

/** `team_id` of events that are about no team. */
export const PLATFORM = "00000000-0000-0000-0000-000000000000";

/** Bytes that a text in the metadata of an event has at most. */
const TEXT_BYTES = 4096;

/** Microseconds by which a clock that was set back is before the last event. */
const CLOCK_SET_BACK = 1_000_000;

/** A value in the metadata of an event. */
export type AuditValue = string | number | boolean | null | readonly string[];
export type AuditMetadata = Readonly<Record<string, AuditValue | undefined>>;

/** Something that happened. */
export type AuditEvent = {
  [Resource in AuditResource]: { resource: Resource; action: AuditActionOf<Resource> };
}[AuditResource] & {
  /** UUID of the team that it is about, or `PLATFORM`. */
  teamId: string;
  actor: Actor;
  /** Id of the resource as clients know it, or its name. */
  resourceId?: string;
  status: AuditStatus;
  metadata?: AuditMetadata;
};

/**
 * The same event twice: for its team, and for the platform with the team's id, and its name where that is known. Once when it
 * is about no team.
 */
export function alsoForPlatform(event: AuditEvent, teamName?: string): AuditEvent[] {
  const { teamId, metadata } = event;
  if (teamId === PLATFORM) return [event];
  const team = { team: toWireId("team", teamId), team_name: teamName };
  return [event, { ...event, teamId: PLATFORM, metadata: { ...metadata, ...team } }];
}

/** An event as it is stored, wherever it waits for that. */
export interface StoredEvent {
  id: string;
  team_id: string;
  actor_type: string;
  actor_id: string;
  actor_name: string;
  resource_type: string;
  resource_id: string | null;
  action: string;
  scope: string;
  status: string;
  metadata: Record<string, AuditValue>;
  /** When it happened: microseconds since 1970. */
  at: number;
}

/** Gives an event its id and its time. */
export function stored(event: AuditEvent): StoredEvent {
  const { teamId, actor, resource, action, resourceId, status, metadata = {} } = event;
  const actions: Record<string, { scope: string }> = AUDIT_EVENTS[resource];
  return {
    id: randomUUIDv7(),
    team_id: teamId,
    actor_type: actor.type,
    actor_id: actor.type === "system" ? "" : actor.id,
    actor_name: clean(actor.name ?? ""),
    resource_type: resource,
    resource_id: resourceId === undefined ? null : clean(resourceId),
    action,
    scope: actions[action]!.scope,
    status,
    metadata: cleanMetadata(metadata),
    at: now(),
  };
}

let last = 0;

/** Microseconds since 1970, each time more than before, so that events of one process keep their order. */
function now(): number {
  const time = Date.now() * 1000;
  last = time > last || last - time > CLOCK_SET_BACK ? time : last + 1;
  return last;
}

function cleanMetadata(metadata: AuditMetadata): Record<string, AuditValue> {
  const cleaned: Record<string, AuditValue> = {};
  for (const [name, value] of Object.entries(metadata)) {
    if (value === undefined) continue;
    if (typeof value === "string") cleaned[name] = clean(value);
    else if (value !== null && typeof value === "object") cleaned[name] = value.map(clean);
    else cleaned[name] = value;
  }
  return cleaned;
}

/** A text that a database can keep, and of a bounded length. */
function clean(text: string): string {
  const kept = text.replaceAll("\0", "\ufffd").toWellFormed();
  if (Buffer.byteLength(kept) <= TEXT_BYTES) return kept;
  // A character that is cut in half becomes a mark of what is missing.
  return `${Buffer.from(kept).toString("utf8", 0, TEXT_BYTES)}…`;
}
