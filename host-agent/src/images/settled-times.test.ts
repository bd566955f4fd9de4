import { lstat, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { settleTimes } from "./settled-times.ts";

const PACKAGED = 1_700_000_000;

let folder: string;
let root: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "warren-times-"));
  root = join(folder, "root");
  await mkdir(join(root, "usr"), { recursive: true });
  await writeFile(join(root, "usr/packaged"), "");
  await utimes(join(root, "usr/packaged"), PACKAGED, PACKAGED);
});
afterEach(() => rm(folder, { recursive: true }));

const secondsOf = async (path: string) => (await lstat(path)).mtimeMs / 1000;

it("gives what a build wrote the time of the newest packaged file", async () => {
  const started = Date.now() - 1000;
  await writeFile(join(root, "usr/written"), "");
  await symlink("packaged", join(root, "usr/link"));
  expect(await settleTimes(root, started)).toBe(PACKAGED);
  for (const path of ["", "usr", "usr/written", "usr/packaged", "usr/link"]) {
    expect(await secondsOf(join(root, path)), path).toBe(PACKAGED);
  }
});

it("leaves alone what links of the root file system lead to", async () => {
  const outside = join(folder, "outside");
  await mkdir(outside);
  await writeFile(join(outside, "file"), "");
  await symlink(outside, join(root, "run"));
  // Lists descriptors of the process, which come and go.
  await symlink("/proc/self/fd", join(root, "fd"));
  const written = await secondsOf(join(outside, "file"));
  await settleTimes(root, Date.now() - 60_000);
  expect(await secondsOf(join(outside, "file"))).toBe(written);
  expect(await secondsOf(join(root, "run"))).toBe(PACKAGED);
});
