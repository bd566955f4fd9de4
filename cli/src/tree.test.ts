import { describe, expect, test } from "vitest";
import { inside } from "./tree.ts";

describe("an entry that a sandbox lists", () => {
  test.each([
    ["/a", "/a/b", "b"],
    ["/a", "/a/b/c", "b/c"],
    ["/", "/a", "a"],
    ["/a", "/a/..b", "..b"],
  ])("of %s may be %s", (directory, path, expected) => {
    expect(inside({ path: directory }, { path })).toBe(expected);
  });

  test.each(["/a", "/a/", "/ab/c", "/a/../x", "/a/b/../../x", "/a//x", "/a/./x", "/a/x\0y", "x", ""])(
    "of /a is not %j",
    (path) => {
      expect(() => inside({ path: "/a" }, { path })).toThrow("The sandbox lists");
    },
  );
});
