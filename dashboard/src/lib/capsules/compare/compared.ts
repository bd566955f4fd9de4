import type { Point } from "#lib/stats/time-axis.ts";

/** Capsules that one chart can show: more lines than that nobody tells apart. */
export const MOST_COMPARED = 6;
/** Fewest that are a comparison. */
export const LEAST_COMPARED = 2;

const ID = /^sb[a-z2-7]{20}$/;

/** Whether a text may be the id of a capsule. */
export function isCapsuleId(text: string): boolean {
  return ID.test(text);
}

/** The capsules that an address names, each once and in its order; what comes after the most that can be shown is left out. */
export function readCompared(query: { get(name: string): string | null }): string[] {
  const named = (query.get("ids") ?? "").split(",").filter(isCapsuleId);
  return [...new Set(named)].slice(0, MOST_COMPARED);
}

/** Address of the comparison of some capsules, of what they did just now. */
export function comparePath(ids: readonly string[]): string {
  return `/dashboard/capsules/compare?ids=${ids.join(",")}&range=5m`;
}

/** Figures of a line: its last value, their mean, and the highest. Undefined where nothing was measured. */
export function figuresOf(points: readonly Point[]): { last: number; mean: number; most: number } | undefined {
  const values = points.flatMap(({ y }) => (y === null ? [] : [y]));
  const last = values.at(-1);
  if (last === undefined) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { last, mean, most: values.reduce((most, value) => Math.max(most, value), last) };
}
