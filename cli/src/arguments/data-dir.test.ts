import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { dataDirOption, imagesDirOf } from "./data-dir.ts";

test("data directories share the images of the machine, unless they have their own or are on another file system", () => {
  const directory = mkdtempSync(join(tmpdir(), "warren-data-dir-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  expect(imagesDirOf("/var/cache/no-such/data")).toBe(imagesDirOf("/var/cache/another/data"));
  expect(imagesDirOf("/proc/data")).toBe("/proc/data/images");
  mkdirSync(join(directory, "images"));
  expect(imagesDirOf(directory)).toBe(join(directory, "images"));
});

test("a data directory is no file, and below none", () => {
  const directory = mkdtempSync(join(tmpdir(), "warren-data-dir-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "file");
  writeFileSync(file, "");
  const parse = (path: string) => dataDirOption().parseArg!(path, undefined);
  expect(parse(join(directory, "not/there"))).toBe(join(directory, "not/there"));
  for (const path of [file, join(file, "data")]) {
    expect(() => parse(path)).toThrow(`${path} is no directory, or is below what is none.`);
  }
});
