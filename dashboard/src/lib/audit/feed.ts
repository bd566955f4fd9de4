/** Pages of events that were read so far, as one list. */
export interface Feed<T> {
  /** The newest first. */
  items: T[];
  /** For the page that follows; undefined at the end. */
  cursor: string | undefined;
}

interface Page<T> {
  items: T[];
  next_cursor?: string | undefined;
}

/**
 * The list after its first page was read anew: with what is new on top. When more is new than a page holds, what was read
 * before no longer follows upon it, and the list begins again.
 */
export function withFirstPage<T extends { id: string }>(feed: Feed<T>, page: Page<T>): Feed<T> {
  const known = new Set(feed.items.map(({ id }) => id));
  const meets = page.items.some(({ id }) => known.has(id));
  if (!meets) return { items: page.items, cursor: page.next_cursor };
  const fresh = page.items.filter(({ id }) => !known.has(id));
  return fresh.length === 0 ? feed : { items: [...fresh, ...feed.items], cursor: feed.cursor };
}

/** The list with the page that follows. */
export function withNextPage<T extends { id: string }>(feed: Feed<T>, page: Page<T>): Feed<T> {
  const known = new Set(feed.items.map(({ id }) => id));
  return { items: [...feed.items, ...page.items.filter(({ id }) => !known.has(id))], cursor: page.next_cursor };
}
