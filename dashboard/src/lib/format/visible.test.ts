import fc from "fast-check";
import { expect, it } from "vitest";
import { visible } from "./visible.ts";

it.each([
  ["uname -a", "uname -a"],
  ["photo\u202egnp.exe", "photo\\u202egnp.exe"],
  ["a\nb\tc\r\u001b[2J\u0000", "a\\nb\\tc\\r\\u001b[2J\\u0000"],
  ["pay\u200bload\u2028\u{e0041}", "pay\\u200bload\\u2028\\u{e0041}"],
  ["مي\u200cخواهم 👩\u200d💻 <b>", "مي\u200cخواهم 👩\u200d💻 <b>"],
])("shows %j as %s", (text, shown) => {
  expect(visible(text)).toBe(shown);
});

it("leaves nothing that turns the direction of writing or begins a line", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(visible(text)).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
    }),
    { seed: 10 },
  );
});
