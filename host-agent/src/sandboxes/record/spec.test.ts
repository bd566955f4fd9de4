import { expect, it } from "vitest";
import { DEFAULT_SPEC, parseSpec } from "./spec.ts";

it("reads a spec as it was written", () => {
  const spec = { ...DEFAULT_SPEC, template: "trained", vcpus: 2, timeoutSec: 60, autoResume: true };
  expect(parseSpec(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
});

it("gives a spec from before a field was there the default of that field", () => {
  const { autoResume: _, ...older } = DEFAULT_SPEC;
  expect(parseSpec(older)).toEqual(DEFAULT_SPEC);
});

it.each([
  ["no spec", undefined],
  ["no vcpus", { ...DEFAULT_SPEC, vcpus: undefined }],
  ["no template", { ...DEFAULT_SPEC, template: 7 }],
  ["version 2", { ...DEFAULT_SPEC, version: 2 }],
])("refuses %s", (reason, stored) => {
  expect(() => parseSpec(stored)).toThrow(reason);
});
