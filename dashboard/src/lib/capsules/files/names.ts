import { visible } from "#lib/format/visible.ts";

/** What stands in a name for bytes that are no UTF-8. */
const LOST = "\ufffd";

/** Characters of a name that a title or a question shows. */
const SHOWN = 120;

/** A name of a guest as visible text, cut in the middle where it is long. */
export function shortName(name: string): string {
  const shown = [...visible(name)];
  if (shown.length <= SHOWN) return shown.join("");
  return `${shown.slice(0, SHOWN / 2).join("")}…${shown.slice(1 - SHOWN / 2).join("")}`;
}

/** Bytes that a path in a request may have. */
const MOST_PATH_BYTES = 4095;

/** Why requests cannot name an entry of a list; undefined when they can. */
export function whyUnnameable(path: string): string | undefined {
  if (path.includes(LOST)) return "Its name is not UTF-8, and requests cannot carry it: rename it in the terminal";
  if (new TextEncoder().encode(path).length > MOST_PATH_BYTES)
    return "Its path is longer than requests can carry: go there in the terminal";
  return undefined;
}

/** Entries with keys of which no two are the same: several names that are not UTF-8 look alike. */
export function withKeys<T extends { path: string }>(entries: readonly T[]): (T & { key: string })[] {
  const seen = new Map<string, number>();
  return entries.map((entry) => {
    const before = seen.get(entry.path) ?? 0;
    seen.set(entry.path, before + 1);
    return { ...entry, key: before === 0 ? entry.path : `${entry.path}\0${before}` };
  });
}
