import fc from "fast-check";
import { expect, test } from "vitest";
import { MAX_QMP_LINE, QmpLineParser } from "./qmp-lines.ts";

const object = fc.dictionary(fc.string(), fc.jsonValue());

test("messages come out as they went in, however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(object), fc.array(fc.nat(40)), (messages, cuts) => {
      const stream = Buffer.from(messages.map((message) => `${JSON.stringify(message)}\r\n`).join(""));
      const parser = new QmpLineParser();
      const received: unknown[] = [];
      let start = 0;
      for (const cut of [...cuts, stream.length]) {
        received.push(...parser.push(stream.subarray(start, start + cut)));
        start += cut;
      }
      expect(received).toEqual(messages.map((message) => JSON.parse(JSON.stringify(message))));
    }),
    { seed: 1, numRuns: 100 },
  );
});

test("any bytes are either taken or refused with a reason", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
      const parser = new QmpLineParser();
      try {
        for (const chunk of chunks) parser.push(Buffer.from(chunk));
      } catch (error) {
        expect((error as Error).message).not.toBe("");
      }
    }),
    { seed: 2, numRuns: 2000 },
  );
});

test.each(["[]\n", "null\n", "1\n", '"text"\n'])("refuses %j, which is no object", (line) => {
  expect(() => new QmpLineParser().push(Buffer.from(line))).toThrow("not an object");
});

test("refuses a line without end before it fills the memory", () => {
  const parser = new QmpLineParser();
  const chunk = Buffer.alloc(64 * 1024, "a");
  const push = () => {
    for (let pushed = 0; pushed <= MAX_QMP_LINE; pushed += chunk.length) parser.push(chunk);
  };
  expect(push).toThrow(`longer than ${MAX_QMP_LINE} bytes`);
});
