import { expect, test } from "vitest";
import { readSettings } from "./settings.ts";

test("who may read the metrics is a setting, and one that is wrong is named", () => {
  expect(readSettings({})).not.toHaveProperty("metrics");
  const token = "0123456789abcdef";
  const environment = { WARREN_METRICS_TOKEN: token, WARREN_HOST_METRICS_LISTEN: "127.0.0.1:9465" };
  expect(readSettings(environment).metrics).toEqual({ token, listen: { host: "127.0.0.1", port: 9465 } });
  // That of the control plane is its alone.
  expect(readSettings({ WARREN_METRICS_LISTEN: "127.0.0.1:9464" })).not.toHaveProperty("metrics");
  for (const [name, value] of [
    ["WARREN_METRICS_TOKEN", "short"],
    ["WARREN_HOST_METRICS_LISTEN", "9465"],
    ["WARREN_HOST_METRICS_LISTEN", "0.0.0.0:9465"],
  ] as const) {
    const refusal = { code: "invalid_request", message: expect.stringMatching(`^${name}: `) };
    expect(() => readSettings({ [name]: value })).toThrow(expect.objectContaining(refusal));
  }
});

test("after how many lost signs of life all sandboxes are paused is a setting, and undecided unless it is set", () => {
  const read = (value: string) => readSettings({ WARREN_PAUSE_ALL_AFTER: value }).pauseAllAfter;
  expect(readSettings({})).not.toHaveProperty("pauseAllAfter");
  expect([read("0"), read("10")]).toEqual([0, 10]);
  for (const value of ["-1", "never", "1001"]) expect(() => read(value)).toThrow(/^WARREN_PAUSE_ALL_AFTER must be/);
});
