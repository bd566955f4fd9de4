/** Address with other values in its query; those that are undefined or empty are left out of it. */
export function withQuery(address: { readonly href: string }, values: Record<string, string | undefined>): URL {
  const changed = new URL(address.href);
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === "") changed.searchParams.delete(name);
    else changed.searchParams.set(name, value);
  }
  return changed;
}

/** What parameters of a query may be: some values, or those that a function says are. */
export type KnownValues = Record<string, readonly string[] | ((value: string) => boolean)>;

/** Values of a query that are none of those, as `name=value`. One of several values stands between commas. */
export function unknownValues(query: Pick<URLSearchParams, "getAll">, known: KnownValues): string[] {
  return Object.entries(known).flatMap(([name, values]) => {
    const isKnown = typeof values === "function" ? values : (value: string) => values.includes(value);
    const asked = query.getAll(name).flatMap((value) => value.split(","));
    return asked.filter((value) => value !== "" && !isKnown(value)).map((value) => `${name}=${value}`);
  });
}

/** A value of a query that is one of some known; any other is the default. */
export function oneOf<const T extends string, D extends T | undefined>(
  value: string | null,
  known: readonly T[],
  fallback: D,
): T | D {
  return known.includes(value as T) ? (value as T) : fallback;
}
