import { execFileSync } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { BackupFile } from "./backup-file.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-backup-file-"));
  execFileSync("mkfifo", [join(directory, "pipe")]);
  await symlink("pipe", join(directory, "link"));
});
afterAll(() => rm(directory, { recursive: true }));

it.each([
  ["a directory", "."],
  ["a pipe", "pipe"],
  ["a link to a pipe", "link"],
  ["what is not there", "nothing"],
])("refuses %s as a backup, and waits for nobody", async (_, name) => {
  await expect(BackupFile.open(join(directory, name))).rejects.toMatchObject({ code: "invalid_request" });
});
