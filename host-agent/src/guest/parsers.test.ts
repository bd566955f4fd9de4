import { toJson } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { WarrenError } from "@warren/contracts/errors";
import { StartResponseSchema } from "@warren/contracts/gen/process/process_pb";
import fc from "fast-check";
import { expect, it } from "vitest";
import { BoundedBytes } from "./bounded-bytes.ts";
import { EnvelopeParser, MAX_MESSAGE } from "./envelopes.ts";
import { EventBounds } from "./event-bounds.ts";
import { parseMessage, throwIfFailed } from "./messages.ts";
import { frame } from "./testing/fake-guest.ts";

/** Messages of a stream, and how it ends: well, or by being refused. */
function readStream(chunks: Uint8Array[]): string[] {
  const parser = new EnvelopeParser();
  const bounds = new EventBounds();
  const read: string[] = [];
  try {
    for (const chunk of chunks) {
      for (const { end, payload } of parser.push(chunk)) {
        expect(payload.length).toBeLessThanOrEqual(MAX_MESSAGE);
        read.push(`${end} ${payload.toString("hex")}`);
        if (end) throwIfFailed(payload);
        else bounds.check(parseMessage(StartResponseSchema, payload).event);
      }
    }
  } catch (error) {
    expect(error instanceof WarrenError || error instanceof ConnectError).toBe(true);
    read.push((error as Error).message);
  }
  return read;
}

/** Bytes cut at some places. */
function cut(bytes: Buffer, places: number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

const event = fc.oneof(
  fc.json().map((text) => text),
  fc.json().map((text) => `{"event":${text}}`),
  fc.json().map((text) => `{"event":{"data":{"stdout":${text}}}}`),
  fc.json().map((text) => `{"event":{"start":{"pid":${text}}}}`),
  fc.json().map((text) => `{"event":{"end":{"exitCode":${text},"status":${text}}}}`),
  fc.json().map((text) => `{"error":{"code":${text},"message":${text}}}`),
  fc.base64String().map((text) => `{"event":{"data":{"stderr":"${text}"}}}`),
);
const message = fc
  .record({ payload: fc.oneof(event, fc.uint8Array()), flags: fc.constantFrom(0, 0, 0, 2, 1, 255) })
  .map(({ payload, flags }) => frame(Buffer.from(payload as never), { flags }));
const stream = fc.oneof(
  fc.array(message, { maxLength: 8 }).map((messages) => Buffer.concat(messages)),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
);

it("a stream is read or refused the same however it is cut, and nothing else happens", () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat(5000), { maxLength: 20 }), (bytes, places) => {
      expect(readStream(cut(bytes, places))).toEqual(readStream([bytes]));
    }),
    { seed: 1, numRuns: 3000 },
  );
});

it("output comes as its bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), fc.constantFrom("stdout", "stderr", "pty"), (bytes, name) => {
      const text = `{"event":{"data":{"${name}":"${Buffer.from(bytes).toString("base64")}"}}}`;
      const parsed = parseMessage(StartResponseSchema, Buffer.from(text));
      expect(toJson(StartResponseSchema, parsed)).toEqual(JSON.parse(text));
    }),
    { seed: 2, numRuns: 500 },
  );
});

it("bytes are kept in order up to the limit", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), fc.nat(200), (pieces, limit) => {
      const bytes = new BoundedBytes(limit);
      const whole = Buffer.concat(pieces);
      const taken = pieces.reduce((sum, piece) => sum + bytes.add(piece), 0);
      expect(taken).toBe(Math.min(limit, whole.length));
      expect(Buffer.compare(bytes.whole(), whole.subarray(0, limit))).toBe(0);
    }),
    { seed: 3, numRuns: 500 },
  );
});
