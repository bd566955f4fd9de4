import { oneOf } from "#lib/url/query.ts";
import type { Capsule } from "../capsule.ts";

/** States by which a list is filtered, with those of the API that each stands for. */
export const STATE_FILTERS = {
  running: ["running"],
  paused: ["paused"],
  changing: ["pending", "starting", "pausing", "resuming", "stopping"],
  missing: ["missing"],
  failed: ["error"],
} as const satisfies Record<string, readonly Capsule["status"][]>;
export type StateFilter = keyof typeof STATE_FILTERS;

/** Which capsules a list shows. */
export interface CapsuleFilter {
  /** Text somewhere in name, id or metadata. */
  text: string;
  /** Undefined: all. */
  state: StateFilter | undefined;
  /** Undefined: all. */
  template: string | undefined;
}

/** The filter that an address asks for. A state or template that is not known is none. */
export function readFilter(query: { get(name: string): string | null }, templates: readonly string[]): CapsuleFilter {
  return {
    text: query.get("q") ?? "",
    state: oneOf(query.get("state"), Object.keys(STATE_FILTERS) as StateFilter[], undefined),
    template: oneOf(query.get("template"), templates, undefined),
  };
}

/** Those of some that a filter lets through, in their order. */
export function filterCapsules(capsules: readonly Capsule[], { text, state, template }: CapsuleFilter): Capsule[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const states: readonly string[] | undefined = state && STATE_FILTERS[state];
  return capsules.filter(
    (capsule) =>
      (template === undefined || capsule.template === template) &&
      (states === undefined || states.includes(capsule.status)) &&
      words.every((word) => holds(capsule, word)),
  );
}

function holds({ name, id, metadata }: Capsule, word: string): boolean {
  if (id.includes(word) || name?.toLowerCase().includes(word)) return true;
  return Object.entries(metadata).some(([key, value]) => `${key}=${value}`.toLowerCase().includes(word));
}

/** Templates of some, by name. */
export function templatesOf(capsules: readonly Pick<Capsule, "template">[]): string[] {
  return [...new Set(capsules.map(({ template }) => template))].sort((a, b) => a.localeCompare(b));
}
