import type { Schemas } from "#lib/api/client.ts";

export type Scope = Schemas["ApiKey"]["scopes"][number];

/** What a key may do, in the order in which it is asked for. */
export const SCOPES: readonly { value: Scope; label: string; hint: string }[] = [
  { value: "sandboxes", label: "Capsules", hint: "create, use and destroy them" },
  { value: "templates", label: "Snapshots", hint: "make and delete them" },
  { value: "read", label: "Read", hint: "look at everything of the team that is not inside a capsule; every key may" },
];

/** How long a key is valid: days; 0 = until it is revoked. */
export const LIFETIMES = [
  { value: "0", label: "No end" },
  { value: "7", label: "7 days" },
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "1 year" },
] as const;
export type Lifetime = (typeof LIFETIMES)[number]["value"];

/** When a key of a lifetime that is made now ends, RFC 3339; undefined for one without end. */
export function endOf(lifetime: Lifetime, now: Date): string | undefined {
  const days = Number(lifetime);
  return days === 0 ? undefined : new Date(now.getTime() + days * 86_400_000).toISOString();
}

/** Scopes in the words of pages. */
export const SCOPE_WORDS: Record<Scope, string> = { sandboxes: "capsules", templates: "snapshots", read: "read" };

/** What a key may do in one line of words. */
export function describeScopes(scopes: readonly Scope[]): string {
  const beyond = scopes.filter((scope) => scope !== "read");
  return beyond.length === 0 ? "read" : beyond.map((scope) => SCOPE_WORDS[scope]).join(", ");
}
