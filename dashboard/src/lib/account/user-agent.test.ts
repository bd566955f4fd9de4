import { expect, it } from "vitest";
import { describeUserAgent } from "./user-agent.ts";

it.each([
  [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Chrome on Linux",
  ],
  [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.0 Safari/605.1.15",
    "Safari on macOS",
  ],
  ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/131.0 Safari/537.36 Edg/131.0", "Edge on Windows"],
  ["Mozilla/5.0 (Android 14; Mobile; rv:130.0) Gecko/130.0 Firefox/130.0", "Firefox on Android"],
  ["curl/7.88.1", "curl"],
  ["<b>robot</b>", "<b>robot</b>"],
  [undefined, "A program that does not say which"],
])("describes %s", (userAgent, words) => {
  expect(describeUserAgent(userAgent)).toBe(words);
});

it("shortens what it does not know", () => {
  expect(describeUserAgent("x".repeat(500))).toHaveLength(60);
});
