import { expect, it } from "vitest";
import { compareEntries, parentOf, pathIn, stepsTo } from "./paths.ts";

it.each([
  ["/", "/"],
  ["/home", "/"],
  ["/home/user", "/home"],
  ["/home/user/", "/home"],
])("the directory above %s is %s", (path, parent) => expect(parentOf(path)).toBe(parent));

it("joins a directory and a name", () => {
  expect([pathIn("/", "a"), pathIn("/home", "a b")]).toEqual(["/a", "/home/a b"]);
});

it("names each directory on the way", () => {
  expect(stepsTo("/home/user")).toEqual([
    { name: "/", path: "/" },
    { name: "home", path: "/home" },
    { name: "user", path: "/home/user" },
  ]);
  expect(stepsTo("/")).toHaveLength(1);
});

it("shows directories first and numbers in their order", () => {
  const entries = [
    { type: "file", name: "a10" },
    { type: "directory", name: "z" },
    { type: "file", name: "a9" },
  ];
  expect(entries.toSorted(compareEntries).map(({ name }) => name)).toEqual(["z", "a9", "a10"]);
});
