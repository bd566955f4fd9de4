import { expect, it } from "vitest";
import { FILES_HOME, filesQuery, keepsEditor, placeOf } from "./place.ts";

it.each([
  FILES_HOME,
  { path: "/a b&c=d", edit: undefined },
  { path: "", edit: "/etc/<b>\n?.txt" },
  { path: "/x", edit: "/x/ü%" },
])("finds %j again in its address", (place) => {
  expect(placeOf(new URLSearchParams(`tab=files${filesQuery(place)}`))).toEqual(place);
});

it("keeps an editor behind other tabs, and not where another file or the directory is shown", () => {
  const place = { path: "/x", edit: "/x/f" };
  const keeps = (query: string) => keepsEditor(new URLSearchParams(query), place);
  expect(["tab=metrics&range=5m", "", "tab=files&edit=/x/f"].map(keeps)).toEqual([true, true, true]);
  expect(["tab=files", "tab=files&path=/x", "tab=files&edit=/x/g"].map(keeps)).toEqual([false, false, false]);
});
