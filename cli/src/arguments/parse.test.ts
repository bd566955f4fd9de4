import { describe, expect, test, vi } from "vitest";
import { download, integer, listenAddress, upload, variable } from "./parse.ts";

describe("arguments", () => {
  test("name files on both sides, of which the guest's has no colon", () => {
    expect(upload("a.csv:/tmp/a.csv")).toEqual([{ local: "a.csv", guest: "/tmp/a.csv" }]);
    expect(upload("odd:name.csv:/tmp/a.csv")).toEqual([{ local: "odd:name.csv", guest: "/tmp/a.csv" }]);
    expect(download("/tmp/a.csv:odd:name.csv")).toEqual([{ local: "odd:name.csv", guest: "/tmp/a.csv" }]);
    expect(upload("b:/b", upload("a:/a"))).toHaveLength(2);
    for (const text of ["", ":", "a", ":b"]) {
      expect(() => upload(text)).toThrow("LOCAL:GUEST");
      expect(() => download(text)).toThrow("GUEST:LOCAL");
    }
    expect(upload("a:")).toEqual([{ local: "a", guest: "" }]);
    expect(() => download("a:")).toThrow("GUEST:LOCAL");
  });

  test("set variables, or pass those of the shell on", () => {
    vi.stubEnv("WARREN_TEST_VARIABLE", "here");
    expect(variable("A=b=c\nd", variable("WARREN_TEST_VARIABLE"))).toEqual({
      WARREN_TEST_VARIABLE: "here",
      A: "b=c\nd",
    });
    expect(variable("EMPTY=")).toEqual({ EMPTY: "" });
    vi.stubEnv("WARREN_TEST_VARIABLE", undefined);
    expect(() => variable("WARREN_TEST_VARIABLE")).toThrow("is not set here");
    for (const text of ["", "=x", "1A=b", "A B=c"]) expect(() => variable(text)).toThrow("KEY=VALUE");
  });

  test("are whole numbers within their limits", () => {
    expect(integer(1, 8)("8")).toBe(8);
    for (const text of ["0", "9", "-1", "1.5", "1e1", "0x1", " 1", "", "NaN"]) {
      expect(() => integer(1, 8)(text)).toThrow("from 1 to 8");
    }
  });

  test("are addresses with a port", () => {
    for (const text of ["127.0.0.1:3000", "localhost:0", "[::1]:65535"]) expect(listenAddress(text)).toBe(text);
    for (const text of ["3000", ":3000", "::1:3000", "a:65536", "a:", "a:b", "[::1]"]) {
      expect(() => listenAddress(text)).toThrow("HOST:PORT");
    }
  });
});
