import fc from "fast-check";
import { expect, it } from "vitest";
import { shortName, whyUnnameable, withKeys } from "./names.ts";

it("cuts a long name in the middle, without what hides or turns text", () => {
  expect(shortName("report.csv")).toBe("report.csv");
  expect(shortName("photo\u202egpj.exe")).toBe("photo\\u202egpj.exe");
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 400 }), (name) => {
      expect(shortName(name)).not.toMatch(/[\p{Cc}\u202a-\u202e\u2028\u2029\u200b]/u);
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
