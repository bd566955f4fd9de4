import { expect, test } from "vitest";
import { metricsSettings, parseMetricsAddress, parseMetricsToken } from "./metrics-settings.ts";

test("an address is a socket, or a host and a port", () => {
  expect(parseMetricsAddress("unix:/run/warren/metrics.sock")).toEqual({ path: "/run/warren/metrics.sock" });
  expect(parseMetricsAddress("127.0.0.1:9464")).toEqual({ host: "127.0.0.1", port: 9464 });
  expect(parseMetricsAddress("[::1]:9464")).toEqual({ host: "::1", port: 9464 });
  for (const text of ["9464", "127.0.0.1", "127.0.0.1:99999", "unix:metrics.sock", `unix:/${"x".repeat(120)}`]) {
    expect(() => parseMetricsAddress(text), text).toThrow();
  }
});

test("a token is long enough that nobody guesses it, and fits in a header", () => {
  expect(parseMetricsToken("0123456789abcdef")).toBe("0123456789abcdef");
  for (const text of ["short", "with a blank in it", "grüße-an-alle-die-das-lesen", "x".repeat(2000)]) {
    expect(() => parseMetricsToken(text), text).toThrow("16 to 1024 visible ASCII characters");
  }
});

test("metrics that other machines can reach need a token", () => {
  const everywhere = { host: "0.0.0.0", port: 9464 };
  expect(metricsSettings(undefined, undefined)).toBeUndefined();
  expect(() => metricsSettings(undefined, everywhere)).toThrow("set WARREN_METRICS_TOKEN too");
  expect(metricsSettings("0123456789abcdef", everywhere)).toEqual({ token: "0123456789abcdef", listen: everywhere });
  for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) {
    expect(metricsSettings(undefined, { host, port: 0 })).toEqual({ listen: { host, port: 0 } });
  }
  expect(metricsSettings(undefined, { path: "/run/metrics.sock" })).toEqual({ listen: { path: "/run/metrics.sock" } });
});
