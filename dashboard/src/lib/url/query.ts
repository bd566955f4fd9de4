/** Address with other values in its query; those that are undefined or empty are left out of it. */
export function withQuery(address: { readonly href: string }, values: Record<string, string | undefined>): URL {
  const changed = new URL(address.href);
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === "") changed.searchParams.delete(name);
    else changed.searchParams.set(name, value);
  }
  return changed;
}

/** A value of a query that is one of some known; any other is the default. */
export function oneOf<const T extends string, D extends T | undefined>(
  value: string | null,
  known: readonly T[],
  fallback: D,
): T | D {
  return known.includes(value as T) ? (value as T) : fallback;
}
