import { execFileSync } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, it } from "vitest";
import { BackupFile, saveBackup } from "./backup-file.ts";

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

it("refuses, in words, to write where no file can be made", async () => {
  const options = { force: false, signal: new AbortController().signal };
  // A file system that has no files without a name either.
  const written = saveBackup("/proc/backup", Readable.from([]), options);
  await expect(written).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringMatching("^/proc/backup "),
  });
});
