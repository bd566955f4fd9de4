import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type EncodedChunk, encodeOutput, Utf8Chunks } from "./output-encoding.ts";

function encode(chunks: Uint8Array[]): EncodedChunk[] {
  const chunker = new Utf8Chunks();
  return [...chunks.map((chunk) => chunker.push(chunk)), chunker.end()].filter((chunk) => chunk !== undefined);
}

function decode(chunks: EncodedChunk[]): Buffer {
  return Buffer.concat(chunks.map(({ data, encoding }) => Buffer.from(data, encoding ?? "utf8")));
}

/** Cuts bytes at the given places. */
function cut(bytes: Uint8Array, places: number[]): Uint8Array[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

describe("output in JSON frames", () => {
  it("carries any bytes, however they are cut", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(), { maxLength: 20 }), (bytes, places) => {
        expect(decode(encode(cut(bytes, places)))).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it("keeps text as text, however it is cut", () => {
    const text = fc.string({ unit: "binary", maxLength: 60 }).map((value) => value.toWellFormed());
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 40 }), (value, places) => {
        const frames = encode(cut(Buffer.from(value), places));
        expect(frames.every((frame) => frame.encoding === undefined)).toBe(true);
        expect(frames.map((frame) => frame.data).join("")).toBe(value);
      }),
    );
  });

  it("mixes text and bytes without loss", () => {
    const piece = fc.oneof(
      fc.string({ unit: "binary", maxLength: 10 }).map((value) => Buffer.from(value.toWellFormed())),
      fc.uint8Array({ maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (chunks) => {
        expect(decode(encode(chunks))).toEqual(Buffer.concat(chunks));
      }),
    );
  });

  it("never holds back more than the beginning of one character", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 8 }), { maxLength: 20 }), (chunks) => {
        const chunker = new Utf8Chunks();
        let taken = 0;
        let given = 0;
        for (const chunk of chunks) {
          taken += chunk.length;
          const frame = chunker.push(chunk);
          if (frame) given += Buffer.from(frame.data, frame.encoding ?? "utf8").length;
          expect(taken - given).toBeLessThan(4);
        }
      }),
    );
  });
});

describe("whole output", () => {
  const whole = (text: string | Uint8Array, truncated = false) => ({ bytes: Buffer.from(text as string), truncated });

  it("is text when both streams are UTF-8", () => {
    expect(encodeOutput({ stdout: whole("héé"), stderr: whole("") })).toEqual({
      stdout: "héé",
      stderr: "",
      encoding: "utf-8",
    });
  });

  it("is base64 when one stream is not", () => {
    expect(encodeOutput({ stdout: whole(Buffer.from([0xff, 0])), stderr: whole("a") })).toEqual({
      stdout: "/wA=",
      stderr: "YQ==",
      encoding: "base64",
    });
  });

  it("stays text when a limit has cut a character", () => {
    const cutText = Buffer.from("aé").subarray(0, 2);
    expect(encodeOutput({ stdout: whole(cutText, true), stderr: whole("") })).toMatchObject({
      stdout: "a",
      encoding: "utf-8",
    });
    expect(encodeOutput({ stdout: whole(cutText), stderr: whole("") })).toMatchObject({ encoding: "base64" });
  });
});
