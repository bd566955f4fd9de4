import { expect, it } from "vitest";
import { chosenFiles, type Entry, filesOf, MOST_DROPPED, topNames } from "./dropped.ts";

const file = (name: string): Entry => ({ isDirectory: false, name, file: (take) => take(new File([name], name)) });

/** A directory whose reader gives a few entries at a time, as browsers do. */
const directory = (name: string, content: readonly Entry[], atOnce = 2): Entry => ({
  isDirectory: true,
  name,
  createReader: () => {
    let given = 0;
    return {
      readEntries: (take) => {
        take(content.slice(given, given + atOnce));
        given += atOnce;
      },
    };
  },
});

const paths = (files: { file: File; directory: string }[]) =>
  files.map((found) => `${found.directory}:${found.file.name}`);

it("finds all files below what was dropped, and directories without any", async () => {
  const src = directory("src", [
    file("a"),
    file("b"),
    file("c"),
    directory("deep", [file("d")]),
    directory("none", []),
  ]);
  const found = await filesOf([file("top"), src]);
  expect(paths(found.files).sort()).toEqual([":top", "src/deep:d", "src:a", "src:b", "src:c"]);
  expect(found.emptyDirectories).toEqual(["src/none"]);
  expect(topNames(found).sort()).toEqual(["src", "top"]);
});

it("takes no more than it can hold", async () => {
  const many = Array.from({ length: MOST_DROPPED + 1 }, (_, index) => file(String(index)));
  await expect(filesOf([directory("many", many, 5000)])).rejects.toThrow("More than 10000 files");
});

it("says why a file could not be read", async () => {
  const gone: Entry = { isDirectory: false, name: "gone", file: (_take, fail) => fail(new Error("it has gone")) };
  await expect(filesOf([gone])).rejects.toThrow("it has gone");
});

it("keeps the directories of files that were chosen with theirs", () => {
  const chosen = new File(["x"], "x");
  Object.defineProperty(chosen, "webkitRelativePath", { value: "photos/2026/x" });
  const plain = new File(["y"], "y");
  Object.defineProperty(plain, "webkitRelativePath", { value: "" });
  const dropped = chosenFiles([chosen, plain]);
  expect(paths(dropped.files)).toEqual(["photos/2026:x", ":y"]);
  expect(topNames(dropped)).toEqual(["photos", "y"]);
});
