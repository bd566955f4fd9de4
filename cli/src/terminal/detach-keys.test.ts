import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DetachKeys } from "./detach-keys.ts";

/** What becomes of keys that are typed in such pieces. */
async function type(pieces: Uint8Array[]) {
  let detached = 0;
  const keys = Readable.from(pieces.filter(({ length }) => length > 0)).pipe(new DetachKeys(() => detached++));
  return { passed: [...(await buffer(keys))], detached };
}

test("all that is typed before ^P ^Q is passed on, however it comes in pieces, and nothing after", async () => {
  const key = fc.oneof({ weight: 2, arbitrary: fc.constantFrom(0x10, 0x11) }, fc.nat(255));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(key, { maxLength: 4 }), { maxLength: 8 }), async (pieces) => {
      const typed = pieces.flat();
      const at = Buffer.from(typed).indexOf(Buffer.from([0x10, 0x11]));
      const expected = { passed: at < 0 ? typed : typed.slice(0, at), detached: at < 0 ? 0 : 1 };
      expect(await type(pieces.map((piece) => Uint8Array.from(piece)))).toEqual(expected);
    }),
    { seed: 20_261_129, numRuns: 300 },
  );
});
