import { WarrenError } from "@warren/sdk";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { logLine, tellsOfFailure } from "./log-line.ts";
import { describe as describeError, warn } from "./messages.ts";
import { jsonText } from "./printable.ts";
import { ProgressDisplay } from "./progress.ts";
import { table } from "./table.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("what the user sees", () => {
  test("is a log line with time, server and level, and anything else as it is", () => {
    const line = '{"level":40,"time":1893456000123,"pid":1,"hostname":"h","msg":"slow","route":"/health","ms":12}';
    expect(logLine("control plane", line)).toBe("00:00:00.123 control plane warn slow route=/health ms=12");
    const part = '{"level":30,"time":"2030-01-01T00:00:00.123Z","part":"control-plane","msg":"ready"}';
    expect(logLine("control plane", part)).toBe("00:00:00.123 control plane info ready");
    const failed = '{"level":50,"time":1893456000123,"msg":"failed","err":{"message":"no disk"}}';
    expect(logLine("host agent", failed)).toBe("00:00:00.123 host agent error failed no disk");
    for (const text of ["Segmentation fault", "[1]", "null", '{"a":1}']) expect(logLine("s", text)).toBe(`s: ${text}`);
  });

  test("never steers the terminal, whoever wrote it", () => {
    const evil = "\u001b]0;owned\u0007\u009b2J\u202e\u007f";
    const shown = "\\u001b]0;owned\\u0007\\u009b2J\\u202e\\u007f";
    const written: string[] = [];
    const stderr = vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
    warn(`${describeError(new WarrenError("invalid_path", `path '${evil}'\nis none`))}`);
    stderr.mockRestore();
    expect(written.join("")).toBe(`warren: path '${shown}'\nis none (invalid_path)\n`);
    expect(table(["NAME"], [[evil], ["plain ü"], ["two\nlines"]])).toBe(`NAME\n"${shown}"\nplain ü\n"two\\nlines"\n`);
    const line = JSON.stringify({ level: 40, time: 1893456000123, msg: "ended", console: evil });
    expect(logLine("host agent", line)).toBe(`00:00:00.123 host agent warn ended console=${shown}`);
    expect(logLine("host agent", evil)).toBe(`host agent: ${shown}`);
    expect(jsonText({ name: evil })).toBe(`{"name":"${shown}"}`);
    expect(JSON.parse(jsonText({ name: `${evil}\u{e0001}` }))).toEqual({ name: `${evil}\u{e0001}` });
  });

  test("is of a log what tells of a failure, when something failed", () => {
    for (const line of ['{"level":50}', '{"level":60,"msg":"x"}', "Segmentation fault", "null"]) {
      expect(tellsOfFailure(line)).toBe(true);
    }
    for (const line of ['{"level":30}', '{"level":40,"msg":"x"}']) expect(tellsOfFailure(line)).toBe(false);
  });

  test("is a table as wide as its widest cells", () => {
    expect(table(["ID", "STATUS"], [["sb1234", "running"]])).toBe("ID      STATUS\nsb1234  running\n");
    expect(table(["ID"], [])).toBe("ID\n");
  });

  test("is one line for every step that lasts, where there is no terminal", () => {
    const { output, written } = screen({ isTTY: false });
    const progress = new ProgressDisplay(output, 100);
    progress.show({ step: "soon done" });
    vi.advanceTimersByTime(99);
    for (const fraction of [0, 0.5, 1]) {
      progress.show({ step: "base image", detail: "unpacking", fraction });
      vi.advanceTimersByTime(60);
    }
    progress.show({ step: "kernel" });
    vi.advanceTimersByTime(100);
    progress.show({ step: "base image" });
    progress.show({ step: "never seen" });
    progress.done();
    vi.advanceTimersByTime(1000);
    expect(written()).toBe("warren: base image\nwarren: kernel\n");
  });

  test("is of a step that lasts long a line from time to time, where there is no terminal", () => {
    const { output, written } = screen({ isTTY: false });
    const progress = new ProgressDisplay(output, 100, 10_000);
    for (let second = 0; second <= 25; second++) {
      progress.show({ step: "base image", detail: `unpacking ${second}`, fraction: second / 50 });
      vi.advanceTimersByTime(1000);
    }
    progress.done();
    expect(written()).toBe(
      "warren: base image\nwarren: base image 22 % unpacking 11\nwarren: base image 42 % unpacking 21\n",
    );
  });

  test("is one rewritten line on a terminal, never wider than it", () => {
    const { output, written } = screen({ isTTY: true, columns: 20 });
    const progress = new ProgressDisplay(output, 0);
    for (const fraction of [0, 0.5]) {
      progress.show({ step: "image", detail: "unpacking\nmuch", fraction });
      vi.advanceTimersByTime(1);
    }
    progress.done();
    progress.done();
    expect(written()).toBe("\rwarren: image 0 % u\x1b[K\rwarren: image 50 % \x1b[K\n");
  });
});

function screen(properties: { isTTY: boolean; columns?: number }) {
  let text = "";
  const write = (piece: string) => {
    text += piece;
    return true;
  };
  return { output: { ...properties, write } as unknown as NodeJS.WriteStream, written: () => text };
}
