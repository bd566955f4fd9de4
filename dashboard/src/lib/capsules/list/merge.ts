import type { LiveEvent } from "#lib/live/live.svelte.ts";
import type { Capsule } from "../capsule.ts";

/** A change of one capsule, as the stream of events tells it. */
interface CapsuleEvent extends LiveEvent {
  id: string;
  action: "created" | "changed" | "deleted";
  resource?: Capsule;
}

/** Whether an event tells of a capsule, and all that a list needs to know. */
export function isCapsuleEvent(event: LiveEvent): event is CapsuleEvent {
  const { type, id, action, resource } = event as Partial<CapsuleEvent>;
  return type === "sandbox" && typeof id === "string" && (action === "deleted" || resource !== undefined);
}

/** A list after a change: newest first, each capsule as new as it is known. */
export function applyEvent(capsules: readonly Capsule[], { id, action, resource }: CapsuleEvent): readonly Capsule[] {
  const index = capsules.findIndex((capsule) => capsule.id === id);
  const known = capsules[index];
  if (action === "deleted" || !resource || resource.status === "stopped" || resource.status === "error") {
    return known ? capsules.toSpliced(index, 1) : capsules;
  }
  // What was read after the event happened is newer than what it tells.
  if (known) return isOlder(resource, known) ? capsules : capsules.with(index, resource);
  const place = capsules.findIndex(({ created_at }) => created_at <= resource.created_at);
  return capsules.toSpliced(place < 0 ? capsules.length : place, 0, resource);
}

function isOlder(a: Capsule, b: Capsule): boolean {
  return Date.parse(a.last_updated) < Date.parse(b.last_updated);
}
