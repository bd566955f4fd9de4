import { expect, it } from "vitest";
import { withFirstPage, withNextPage } from "./feed.ts";

const events = (...ids: string[]) => ids.map((id) => ({ id }));

it("puts new events on top of those that were read, page after page", () => {
  let feed = withFirstPage({ items: [], cursor: undefined }, { items: events("d", "c"), next_cursor: "after c" });
  feed = withNextPage(feed, { items: events("b", "a") });
  expect(feed).toEqual({ items: events("d", "c", "b", "a"), cursor: undefined });
  feed = withFirstPage(feed, { items: events("e", "d"), next_cursor: "after d" });
  expect(feed).toEqual({ items: events("e", "d", "c", "b", "a"), cursor: undefined });
});

it("leaves no gap: begins again when more is new than a page holds", () => {
  const feed = { items: events("b", "a"), cursor: undefined };
  const page = { items: events("f", "e"), next_cursor: "after e" };
  expect(withFirstPage(feed, page)).toEqual({ items: events("f", "e"), cursor: "after e" });
});

it("is empty when nothing fits, whatever stood there before", () => {
  expect(withFirstPage({ items: events("a"), cursor: "after a" }, { items: [] })).toEqual({
    items: [],
    cursor: undefined,
  });
});
