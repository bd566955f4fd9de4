import fc from "fast-check";
import pg from "pg";
import { expect, it } from "vitest";
import { parseTimestamp } from "./postgres.ts";

/** The parser of pg. */
const reference = pg.types.getTypeParser(1184, "text") as (text: string) => Date;

it("reads times as pg does, in every form in which servers write them", () => {
  const twoDigits = (value: number) => String(value).padStart(2, "0");
  const time = fc.record({
    date: fc.date({ min: new Date(0), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true }),
    fraction: fc.option(fc.stringMatching(/^\d{1,6}$/)),
    zone: fc.oneof(fc.constant("+00"), fc.constantFrom("+02", "-03:30", "+05:45", "+00:30")),
  });
  fc.assert(
    fc.property(time, ({ date, fraction, zone }) => {
      const day = `${date.getUTCFullYear()}-${twoDigits(date.getUTCMonth() + 1)}-${twoDigits(date.getUTCDate())}`;
      const clock = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(twoDigits).join(":");
      const text = `${day} ${clock}${fraction === null ? "" : `.${fraction}`}${zone}`;
      // pg rounds microseconds to milliseconds where the language cuts them off.
      expect(Math.abs(parseTimestamp(text).getTime() - reference(text).getTime())).toBeLessThanOrEqual(1);
    }),
  );
});

it.each(["infinity", "-infinity", "10000-01-01 00:00:00+00", "0044-03-15 12:00:00+00 BC"])(
  "leaves %s to pg",
  (text) => {
    expect(parseTimestamp(text)).toEqual(reference(text));
  },
);
