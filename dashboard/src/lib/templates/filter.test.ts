import { expect, it } from "vitest";
import { filterTemplates } from "./filter.ts";

const TEMPLATES = [
  { name: "minimal", type: "base" },
  { name: "Trained.v2", type: "snapshot" },
] as const;
const names = (text: string, type: "all" | "base" | "snapshot" = "all") =>
  filterTemplates(TEMPLATES, { type, text }).map(({ name }) => name);

it("templates are found by a part of their names, in capitals or not, and by type", () => {
  expect(names("")).toEqual(["minimal", "Trained.v2"]);
  expect(names(" trained. ")).toEqual(["Trained.v2"]);
  expect(names("min", "snapshot")).toEqual([]);
  expect(names(".*")).toEqual([]);
});
