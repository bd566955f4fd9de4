import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEFAULT_RETRY, delayBeforeRetry, parseRetryAfter } from "./retry.ts";

const NOW = Date.UTC(2030, 0, 1);

describe("retries", () => {
  test("wait longer each time, and end", () => {
    const delays = [1, 2, 3].map((attempt) => delayBeforeRetry(DEFAULT_RETRY, attempt, {}, NOW));
    expect(delays).toEqual([200, 400, undefined]);
  });

  test.each([400, 401, 403, 404, 409, 413, 500])("are no use after status %i", (status) => {
    expect(delayBeforeRetry(DEFAULT_RETRY, 1, { status }, NOW)).toBeUndefined();
  });

  test("wait as long as the server asks for, within reason", () => {
    expect(delayBeforeRetry(DEFAULT_RETRY, 1, { status: 429, retryAfter: "7" }, NOW)).toBe(7000);
    expect(delayBeforeRetry(DEFAULT_RETRY, 1, { status: 503, retryAfter: "0" }, NOW)).toBe(0);
    expect(delayBeforeRetry(DEFAULT_RETRY, 1, { status: 503, retryAfter: "3600" }, NOW)).toBeUndefined();
    expect(delayBeforeRetry(DEFAULT_RETRY, 1, { status: 503, retryAfter: "soon" }, NOW)).toBe(200);
  });

  test("understand Retry-After as seconds and as a date", () => {
    expect(parseRetryAfter(" 12 ", NOW)).toBe(12_000);
    expect(parseRetryAfter("Tue, 01 Jan 2030 00:00:05 GMT", NOW)).toBe(5000);
    expect(parseRetryAfter("Mon, 31 Dec 2029 23:59:59 GMT", NOW)).toBe(0);
    for (const text of ["", "-1", "1.5", "2030-01-01", "later"]) expect(parseRetryAfter(text, NOW)).toBeUndefined();
  });

  test("never wait a negative or endless time, whatever the server says", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 5 }), (retryAfter, attempt) => {
        const delay = delayBeforeRetry(DEFAULT_RETRY, attempt, { status: 503, retryAfter }, NOW) ?? 0;
        return delay >= 0 && delay <= DEFAULT_RETRY.longestDelayMs;
      }),
    );
  });
});
