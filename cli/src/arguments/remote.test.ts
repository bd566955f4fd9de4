import { expect, test } from "vitest";
import { parseRemote } from "./remote.ts";

test("a file of a sandbox is named by the sandbox and a path, which may be left out for the user's home", () => {
  expect(parseRemote("box:/tmp/a:b")).toEqual({ sandbox: "box", path: "/tmp/a:b" });
  expect(parseRemote("box:a")).toEqual({ sandbox: "box", path: "a" });
  expect(parseRemote("box:")).toEqual({ sandbox: "box", path: "" });
  for (const local of ["", ":", "box", ":/tmp", "./box:x", "/tmp/box:x"]) expect(parseRemote(local)).toBeUndefined();
});
