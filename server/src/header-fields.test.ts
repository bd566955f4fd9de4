import fc from "fast-check";
import { expect, test } from "vitest";
import { HeaderFields } from "./header-fields.ts";

/** What both kinds hold after the same calls. */
function contents(Fields: typeof Headers | typeof HeaderFields): unknown {
  const fields = new Fields({ "Content-Type": " application/json\t", "X-Twice": "one" });
  fields.append("x-twice", "two ");
  fields.append("X-New", "first");
  fields.set("X-NEW", "other");
  fields.set("x-gone", "there");
  fields.delete("X-Gone");
  const copy = new Fields(fields as Headers & HeaderFields);
  copy.set("x-only-copy", "1");
  const visited: string[] = [];
  fields.forEach((value: string, name: string) => void visited.push(`${name}: ${value}`));
  const looks = [fields.get("CONTENT-type"), fields.get("x-gone"), fields.has("X-twice"), fields.has("x-only-copy")];
  const pairs = [...(new Fields([["A", "1"]]) as Iterable<[string, string]>)];
  return { visited: visited.sort(), looks, copied: [...(copy as Iterable<[string, string]>)].sort(), pairs };
}

test("header fields are kept as Node's own Headers keep them", () => {
  expect(contents(HeaderFields)).toEqual(contents(Headers));
});

test("values lose the white space around them, and no other", () => {
  const value = fc.array(fc.constantFrom("\t", " ", "a", "\u00a0")).map((characters) => characters.join(""));
  fc.assert(
    fc.property(value, (text) => {
      expect(new HeaderFields({ name: text }).get("name")).toBe(new Headers({ name: text }).get("name"));
    }),
    { seed: 1 },
  );
});
