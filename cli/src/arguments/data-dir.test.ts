import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { imagesDirOf } from "./data-dir.ts";

test("data directories share the images of the machine, unless they have their own or are on another file system", () => {
  const directory = mkdtempSync(join(tmpdir(), "warren-data-dir-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  expect(imagesDirOf("/var/cache/no-such/data")).toBe(imagesDirOf("/var/cache/another/data"));
  expect(imagesDirOf("/proc/data")).toBe("/proc/data/images");
  mkdirSync(join(directory, "images"));
  expect(imagesDirOf(directory)).toBe(join(directory, "images"));
});
