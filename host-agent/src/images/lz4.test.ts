import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeLz4Legacy } from "./lz4.ts";
import { lz4LegacyFrame } from "./testing/lz4-encoder.ts";

/** Written by `lz4 -l -9` (lz4 1.9.4). */
const GOLDEN = "AiFMGEAAAAD/CFdhcnJlbiBib290cyBtaWNyb1ZNcy4gFwAEEmEBAA8eAAsPJQASDywAGQ8zACAPOgAnD0EAUXBhYWFhYWFh";

test("decodes what the lz4 program wrote", () => {
  const text = Array.from({ length: 8 }, (_, index) => `Warren boots microVMs. ${"a".repeat(index * 7)}`).join("");
  expect(Buffer.from(decodeLz4Legacy(Buffer.from(GOLDEN, "base64"))).toString()).toBe(text);
});

test("decodes whatever an encoder makes, in one frame or several", () => {
  const compressible = fc
    .array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 80 })), { maxLength: 30 })
    .map((runs) => Buffer.concat(runs.flatMap(([bytes, times]) => Array(times).fill(bytes))));
  fc.assert(
    fc.property(fc.array(compressible, { minLength: 1, maxLength: 3 }), (parts) => {
      const frames = Buffer.concat(parts.map((part) => lz4LegacyFrame([part])));
      expect(Buffer.concat([decodeLz4Legacy(frames)]).equals(Buffer.concat(parts))).toBe(true);
      expect(Buffer.concat([decodeLz4Legacy(lz4LegacyFrame(parts))]).equals(Buffer.concat(parts))).toBe(true);
    }),
  );
});

test("damage is an error or other data, and nothing worse", () => {
  const frame = Buffer.from(GOLDEN, "base64");
  fc.assert(
    fc.property(fc.nat(frame.length - 1), fc.nat(255), fc.nat(frame.length), (at, value, length) => {
      const damaged = Buffer.from(frame.subarray(0, length));
      if (at < length) damaged[at] = value;
      try {
        expect(decodeLz4Legacy(damaged).length).toBeLessThanOrEqual(8 * 1024 * 1024);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }),
    { seed: 1, numRuns: 500 },
  );
});

test.each([
  ["nothing", ""],
  ["another format", "28b52ffd00000000"],
  ["a block longer than the file", "02214c18ffffff7f00"],
  ["a match before the start", "02214c1805000000" + "1061050000"],
  ["no final literals", "02214c1806000000" + "106101000000"],
])("refuses %s", (_, hexadecimal) => {
  expect(() => decodeLz4Legacy(Buffer.from(hexadecimal, "hex"))).toThrow(RangeError);
});
