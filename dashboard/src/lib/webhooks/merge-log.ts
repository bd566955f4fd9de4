/**
 * What is shown of a log, the newest first, once its first page was read anew: that page, and what was seen of older entries. What
 * lies between and is in neither is gone.
 */
export function mergeLog<T extends { id: string; created_at: string }>(
  seen: readonly T[],
  { items, next_cursor: next }: { items: readonly T[]; next_cursor?: string },
): T[] {
  const last = items.at(-1);
  if (!last || next === undefined) return [...items];
  const ids = new Set(items.map(({ id }) => id));
  return [...items, ...seen.filter(({ id, created_at }) => created_at <= last.created_at && !ids.has(id))];
}
