import fc from "fast-check";
import { expect, it } from "vitest";
import { attachment } from "./attachment.ts";

it.each([
  ["report.csv", 'attachment; filename="report.csv"'],
  ['a"b\\c', "attachment; filename=\"a_b_c\"; filename*=UTF-8''a%22b%5Cc"],
  [
    "line\r\nSet-Cookie: a=b",
    "attachment; filename=\"line__Set-Cookie: a=b\"; filename*=UTF-8''line%0D%0ASet-Cookie%3A%20a%3Db",
  ],
  ["ünï 'x'.txt", "attachment; filename=\"_n_ 'x'.txt\"; filename*=UTF-8''%C3%BCn%C3%AF%20%27x%27.txt"],
])("names %j", (name, header) => expect(attachment(name)).toBe(header));

it("is one header for any name, from which the name comes back", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (name) => {
      const header = attachment(name);
      const [, plain, encoded] = /^attachment; filename="([\x20-\x7e]*)"(?:; filename\*=UTF-8''([\w%.~!-]*))?$/.exec(
        header,
      )!;
      expect(plain).not.toMatch(/["\\]/);
      expect(encoded === undefined ? plain : decodeURIComponent(encoded)).toBe(name.toWellFormed());
    }),
    { seed: 20_261_128, numRuns: 2000 },
  );
});
