import fc from "fast-check";
import { expect, it } from "vitest";
import { shortName, visibleName, whyUnnameable, withKeys } from "./names.ts";

it.each([
  ["report.csv", "report.csv"],
  ["<b>bold</b>", "<b>bold</b>"],
  ["line\nbreak\x7f", "line<U+000A>break<U+007F>"],
  ["photo\u202egpj.exe", "photo<U+202E>gpj.exe"],
  ["zero\u200bwidth", "zero<U+200B>width"],
  ["日本 ü 😀", "日本 ü 😀"],
])("shows %j as %j", (name, shown) => expect(visibleName(name)).toBe(shown));

it("shows any name on one line, without what hides or turns text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 400 }), (name) => {
      expect(visibleName(name)).not.toMatch(/[\p{Cc}\u202a-\u202e\u2028\u2029\u200b]/u);
      expect([...shortName(name)].length).toBeLessThanOrEqual(120);
    }),
    { seed: 20_261_128, numRuns: 60 },
  );
});

it("says which entries requests cannot name", () => {
  expect(whyUnnameable("/home/user/a b\n<c>")).toBeUndefined();
  expect(whyUnnameable("/home/\ufffd")).toContain("not UTF-8");
  expect(whyUnnameable(`/${"ü".repeat(2048)}`)).toContain("longer");
});

it("gives names that look alike keys of their own", () => {
  const keys = withKeys([{ path: "/\ufffd" }, { path: "/a" }, { path: "/\ufffd" }, { path: "/\ufffd" }]).map(
    ({ key }) => key,
  );
  expect(new Set(keys).size).toBe(4);
  expect(keys[1]).toBe("/a");
});
