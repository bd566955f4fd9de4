import type { Schemas } from "#lib/api/client.ts";

/** What a webhook can be told of: `*`, all of a kind, or single events. */
export type Pattern = Schemas["Webhook"]["events"][number];

/** Kinds of events as pages call them. */
export const KINDS = [
  { kind: "sandbox", label: "Capsules" },
  { kind: "template", label: "Snapshots" },
  { kind: "api_key", label: "API keys" },
  { kind: "member", label: "Members" },
  { kind: "team", label: "Team" },
  { kind: "quota", label: "Quota" },
  { kind: "host", label: "Hosts" },
] as const;
export const ACTIONS = ["created", "changed", "deleted"] as const;

/** The events with one in or out of them, in the order of the pages; all of a kind take the place of the single ones. */
export function toggled(events: readonly Pattern[], pattern: Pattern): Pattern[] {
  const is = new Set(events);
  if (!is.delete(pattern)) is.add(pattern);
  return ORDER.filter((each) => is.has(each) && !isCovered(each, is));
}

/** Whether an event is among those that a wider pattern names. */
export function isCovered(pattern: Pattern, events: ReadonlySet<Pattern>): boolean {
  if (pattern === "*") return false;
  const all: Pattern = `${KINDS.find(({ kind }) => pattern.startsWith(`${kind}.`))!.kind}.*`;
  return events.has("*") || (pattern !== all && events.has(all));
}

/** In a few words: "Capsules, snapshots deleted". */
export function describeEvents(events: readonly Pattern[]): string {
  if (events.includes("*")) return "All";
  const parts = KINDS.flatMap(({ kind, label }) => {
    if (events.includes(`${kind}.*`)) return [label];
    const actions = ACTIONS.filter((action) => events.includes(`${kind}.${action}`));
    return actions.length === 0 ? [] : [`${label} ${actions.join(" or ")}`];
  });
  return parts.map((part, index) => (index === 0 || part.startsWith("API") ? part : lowered(part))).join(", ");
}

const ORDER: Pattern[] = [
  "*",
  ...KINDS.flatMap(({ kind }): Pattern[] => [`${kind}.*`, ...ACTIONS.map((action): Pattern => `${kind}.${action}`)]),
];

function lowered(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
