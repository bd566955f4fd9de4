import { expect, it } from "vitest";
import { fromLineStart } from "./line-start.ts";

const cut = (text: string) => Buffer.from(fromLineStart(Buffer.from(text))).toString();

it("output that begins in the middle of something is shown from the next line on", () => {
  expect(cut("[31mred\nnext\nlast")).toBe("next\nlast");
  expect(cut("no end of a line")).toBe("no end of a line");
  const long = `${"x".repeat(5000)}\nnext`;
  expect(cut(long)).toBe(long);
});
