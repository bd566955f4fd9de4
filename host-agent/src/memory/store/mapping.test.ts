import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PAGE_SIZE } from "../pages.ts";
import { append, blankMapping, bytesByLayer, continues, difference, type MappingEntry, overlay } from "./mapping.ts";

/** Where one page lives: layer and page number in it, or zero. */
type Page = { layer: string; page: number } | null;

const page: fc.Arbitrary<Page> = fc.oneof(
  fc.constant(null),
  fc.record({ layer: fc.constantFrom("a", "b", "c"), page: fc.nat(5) }),
);

function mappingOf(pages: readonly (Page | undefined)[]): MappingEntry[] {
  const entries: MappingEntry[] = [];
  for (const [index, where] of pages.entries()) {
    if (where === undefined) continue;
    append(entries, {
      offset: index * PAGE_SIZE,
      length: PAGE_SIZE,
      layer: where?.layer ?? null,
      storageOffset: (where?.page ?? 0) * PAGE_SIZE,
    });
  }
  return entries;
}

function pagesOf(entries: readonly MappingEntry[]): Page[] {
  return entries.flatMap((entry) =>
    Array.from({ length: entry.length / PAGE_SIZE }, (_, index) =>
      entry.layer === null ? null : { layer: entry.layer, page: entry.storageOffset / PAGE_SIZE + index },
    ),
  );
}

const memory = fc.array(page, { minLength: 1, maxLength: 24 });
const memoryAndChanges = memory.chain((pages) =>
  fc.tuple(
    fc.constant(pages),
    fc.array(fc.option(page, { nil: undefined }), { minLength: pages.length, maxLength: pages.length }),
  ),
);

describe("a mapping", () => {
  test("shows the changed pages where they were laid over it, and its own elsewhere", () => {
    fc.assert(
      fc.property(memoryAndChanges, ([pages, changes]) => {
        const result = overlay(mappingOf(pages), mappingOf(changes));
        const expected = pages.map((before, index) => (changes[index] === undefined ? before : changes[index]));
        expect(pagesOf(result)).toEqual(expected);
        expect(result).toEqual(mappingOf(expected));
      }),
    );
  });

  test("differs from another exactly in the pages that lie elsewhere", () => {
    fc.assert(
      fc.property(memoryAndChanges, ([pages, changes]) => {
        const from = mappingOf(pages);
        const to = overlay(from, mappingOf(changes));
        expect(overlay(from, difference(from, to))).toEqual(to);
        const changed = pagesOf(to).filter((where, index) => JSON.stringify(where) !== JSON.stringify(pages[index]));
        expect(pagesOf(difference(from, to))).toEqual(changed);
      }),
    );
  });

  test("counts the bytes that each layer provides", () => {
    const entries = mappingOf([null, { layer: "a", page: 0 }, { layer: "b", page: 3 }, { layer: "a", page: 1 }]);
    expect(bytesByLayer(entries)).toEqual(
      new Map([
        ["a", 2 * PAGE_SIZE],
        ["b", PAGE_SIZE],
      ]),
    );
  });

  test("of blank memory is one entry of zero pages", () => {
    expect(pagesOf(blankMapping(3 * PAGE_SIZE))).toEqual([null, null, null]);
  });

  test("keeps neighbours apart that lie in different places", () => {
    const [first, second] = mappingOf([
      { layer: "a", page: 0 },
      { layer: "a", page: 2 },
    ]);
    expect(continues(first!, second!)).toBe(false);
  });
});
