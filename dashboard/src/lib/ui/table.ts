import type { Snippet } from "svelte";

/** What a column is sorted by; rows without it come last. */
export type SortValue = string | number | boolean | null | undefined;

/** A column of a table. */
export interface Column<T> {
  id: string;
  label: string;
  /** What stands in a cell; default: `text`. */
  cell?: Snippet<[T]>;
  /** The same as plain text. */
  text?: (row: T) => string | number | null | undefined;
  /** Makes the column one that can be sorted by. */
  sortBy?: (row: T) => SortValue;
  /** `end` for numbers. */
  align?: "start" | "end";
  /** Below which width the column is left out. */
  hideBelow?: "sm" | "md" | "lg" | "xl";
  /** Further classes of its cells, such as a width. */
  class?: string;
}

/** Which column a table is sorted by. */
export interface Sorting {
  id: string;
  desc: boolean;
}

/** Order of two values of a column: numbers by size, texts as people read them. */
export function compareValues(a: SortValue, b: SortValue): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true, sensitivity: "base" });
}
