import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { WarrenError } from "@warren/contracts/errors";
import { ExecStreamResponseSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { STREAM_BYTE } from "@warren/contracts/rest/commands";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeOutputMessage, parseClientMessage } from "./exec-frames.ts";

const SEED = { seed: 20_260_821, numRuns: 1000 };

/** Parses, or gives the error's code. */
function outcome(data: Buffer, isBinary: boolean, binary: boolean): unknown {
  try {
    return parseClientMessage(data, isBinary, binary);
  } catch (error) {
    if (error instanceof WarrenError) return error.code;
    throw error;
  }
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));

describe("messages of clients", () => {
  it("are frames or refused, whatever their bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.boolean(), fc.boolean(), (bytes, isBinary, binary) => {
        const result = outcome(Buffer.from(bytes), isBinary, binary);
        if (isBinary && binary && bytes[0] === STREAM_BYTE.stdin) {
          expect(result).toEqual({ type: "stdin", bytes: Buffer.from(bytes.subarray(1)) });
        } else expect(result).toBe("invalid_request");
      }),
      SEED,
    );
  });

  it("are frames or refused, whatever their JSON", () => {
    const type = fc.constantFrom(
      "start",
      "attach",
      "stdin",
      "close_stdin",
      "signal",
      "stop",
      "__proto__",
      "toString",
      "x",
    );
    const field = fc.constantFrom(
      "cmd",
      "args",
      "env",
      "data",
      "encoding",
      "signal",
      "stdin",
      "timeout_sec",
      "process",
      "from",
      "background",
      "tag",
      "x",
    );
    const frame = fc
      .tuple(type, fc.dictionary(field, fc.jsonValue(), { maxKeys: 4 }))
      .map(([name, fields]) => ({ ...fields, type: name }));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), frame), (value) => {
        const result = outcome(json(value), false, true);
        if (result === "invalid_request") return;
        expect(result).toMatchObject({ type: (value as { type: string }).type });
      }),
      SEED,
    );
  });

  it("join a command by what is a process id or a tag, from any byte that can be counted", () => {
    const selector = fc.oneof(fc.nat().map(String), fc.string({ maxLength: 70 }), fc.stringMatching(/^[\w.:-]{1,70}$/));
    const from = fc.oneof(fc.maxSafeNat(), fc.double(), fc.constant(undefined));
    fc.assert(
      fc.property(selector, from, (process, offset) => {
        const frame = { type: "attach", process, ...(offset !== undefined && { from: offset }) };
        const isPid = /^[1-9]\d{0,6}$/.test(process);
        const isTag = /^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$/.test(process);
        // JSON has neither infinity nor what is no number.
        const counts = offset === undefined || (Number.isSafeInteger(offset) && offset >= 0);
        expect(outcome(json(frame), false, true)).toEqual(
          (isPid || isTag) && counts ? JSON.parse(JSON.stringify(frame)) : "invalid_request",
        );
      }),
      SEED,
    );
  });

  it("carry input as text, in base64 and as bytes alike", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        const expected = { type: "stdin", bytes: Buffer.from(bytes) };
        const base64 = { type: "stdin", data: Buffer.from(bytes).toString("base64"), encoding: "base64" };
        expect(outcome(json(base64), false, false)).toEqual(expected);
        expect(outcome(Buffer.concat([Buffer.from([STREAM_BYTE.stdin]), bytes]), true, true)).toEqual(expected);
      }),
    );
    expect(outcome(json({ type: "stdin", data: "grüße" }), false, false)).toEqual({
      type: "stdin",
      bytes: Buffer.from("grüße"),
    });
  });

  it.each(["a", "ab=", "====", "a b=", "ab==\n", "_-=="])("refuse %j as base64", (data) => {
    expect(outcome(json({ type: "stdin", data, encoding: "base64" }), false, false)).toBe("invalid_request");
  });
});

it("output messages are a byte that names the stream, then the bytes", () => {
  expect(encodeOutputMessage("stdout", Buffer.from([7, 8]))).toEqual(Buffer.from([1, 7, 8]));
  expect(encodeOutputMessage("stderr", new Uint8Array(0))).toEqual(Buffer.from([2]));
});

it("output messages are the same for bytes that came in an RPC message, and leave all other bytes alone", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(20), fc.nat(20), (value, before, after) => {
      const encoded = toBinary(
        ExecStreamResponseSchema,
        create(ExecStreamResponseSchema, { message: { case: "stdout", value } }),
      );
      const { message } = fromBinary(ExecStreamResponseSchema, encoded);
      const whole = Buffer.concat([Buffer.from([STREAM_BYTE.stdout]), value]);
      expect(encodeOutputMessage("stdout", message.value as Uint8Array)).toEqual(whole);
      const around = new Uint8Array(before + 6 + value.length + after + 1).fill(9);
      around.set(value, before + 6);
      const bytes = around.subarray(before + 6, before + 6 + value.length);
      expect(encodeOutputMessage("stdout", bytes)).toEqual(whole);
      expect(around.subarray(0, before + 6).every((byte) => byte === 9)).toBe(true);
    }),
    SEED,
  );
});
