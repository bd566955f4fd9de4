import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type EventBlock, EventBlocks } from "./event-blocks.ts";

/** All events of a text that comes in pieces. */
function parse(pieces: string[]): EventBlock[] {
  const blocks = new EventBlocks();
  return pieces.flatMap((piece) => blocks.add(piece));
}

describe("a stream of events", () => {
  test("has fields, comments and several lines of data", () => {
    expect(
      parse([
        "retry: 2000\n\n: a comment\nid: 7\nevent: sandbox\ndata: one\ndata:two\nodd: field\n\nid: 8\n\ndata\n\n",
      ]),
    ).toEqual([{ retry: 2000 }, { id: "7", event: "sandbox", data: "one\ntwo" }, { id: "8" }, { data: "" }]);
  });

  test("is the same in whatever pieces it comes, and with whatever ends of lines", () => {
    const line = fc.oneof(
      fc.constantFrom("data: a", "data:b", "id: 1-2.3", "event: sandbox", "retry: 10", "retry: x", ": c", "", ""),
      fc.stringMatching(/^[^\r\n]{0,12}$/),
    );
    const end = fc.constantFrom("\n", "\r\n", "\r");
    fc.assert(
      fc.property(fc.array(line), end, fc.array(fc.nat(200)), (lines, lineEnd, cuts) => {
        const text = [...lines, "", ""].join("\n");
        const other = [...lines, "", "", "."].join(lineEnd);
        const pieces: string[] = [];
        let from = 0;
        for (const cut of [...cuts].sort((one, two) => one - two)) {
          pieces.push(other.slice(from, Math.max(from, cut)));
          from = Math.max(from, cut);
        }
        expect(parse([...pieces, other.slice(from)])).toEqual(parse([text]));
      }),
      { seed: 20_261_128 },
    );
  });
});
