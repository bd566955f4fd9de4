import { create, toJsonString } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { WarrenError } from "@warren/contracts/errors";
import { ProcessEventSchema, StartResponseSchema } from "@warren/contracts/gen/process/process_pb";
import fc from "fast-check";
import { expect, it } from "vitest";
import { BoundedBytes } from "./bounded-bytes.ts";
import { MAX_MESSAGE } from "./envelopes.ts";
import { EventBounds } from "./event-bounds.ts";
import { MessageReader } from "./message-reader.ts";
import { frame } from "./testing/frames.ts";

/** Messages of a stream, output of one stream together, and how it ends: well, or by being refused. */
function readStream(chunks: Uint8Array[]): string[] {
  const reader = new MessageReader(StartResponseSchema);
  const bounds = new EventBounds();
  const read: string[] = [];
  let last = "";
  try {
    for (const chunk of chunks) {
      for (const { event } of reader.push(chunk)) {
        bounds.check(event);
        const output = event?.event.case === "data" ? event.event.value.output : undefined;
        const hex = Buffer.from(output?.value ?? []).toString("hex");
        if (!hex) read.push(toJsonString(ProcessEventSchema, event ?? create(ProcessEventSchema)));
        else if (output?.case === last) read.push(`${read.pop()}${hex}`);
        else read.push(`${output?.case} ${hex}`);
        last = hex ? (output?.case ?? "") : "";
      }
      if (reader.ended) {
        read.push("end");
        break;
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

it("output comes as its bytes, in order", () => {
  const piece = fc.tuple(fc.constantFrom("stdout", "stderr", "pty"), fc.uint8Array({ minLength: 1 }));
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1 }), (pieces) => {
      const messages = pieces.map(([name, bytes]) =>
        frame(`{"event":{"data":{"${name}":"${Buffer.from(bytes).toString("base64")}"}}}`),
      );
      const start = frame('{"event":{"start":{"pid":1}}}');
      const whole = pieces.reduce<string[]>((read, [name, bytes]) => {
        const hex = Buffer.from(bytes).toString("hex");
        const last = read.at(-1);
        if (last?.startsWith(name)) read[read.length - 1] = last + hex;
        else read.push(`${name} ${hex}`);
        return read;
      }, []);
      expect(readStream([Buffer.concat([start, ...messages])]).slice(1)).toEqual(whole);
    }),
    { seed: 2, numRuns: 500 },
  );
});

it("a long message comes as a whole, one above the limit not at all", () => {
  const output = Buffer.alloc(((MAX_MESSAGE - 40) / 4) * 3);
  const message = frame(`{"event":{"data":{"stdout":"${output.toString("base64")}"}}}`);
  const start = frame('{"event":{"start":{"pid":1}}}');
  expect(readStream([start, message])[1]).toBe(`stdout ${output.toString("hex")}`);
  expect(readStream([start, frame("", { length: MAX_MESSAGE + 1 })])[1]).toContain("is announced");
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
