import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { Sandbox } from "@warren/sdk";
import { afterEach, beforeEach, expect, test } from "vitest";
import { describe as describeError } from "./terminal/messages.ts";
import { checkReadable, checkWritable, downloadFile } from "./transfer.ts";

let scratch: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), "warren-transfer-"));
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

/** A sandbox whose files all have the same content. */
const sandbox = {
  files: { open: async () => ({ content: Readable.from([Buffer.from("new")]), mode: 0o644 }) },
} as unknown as Sandbox;

/** What a user reads of a failure. */
const said = (failing: Promise<unknown>) => failing.then(() => "", describeError);

test("a place for a download that is none is named as it was given", async () => {
  expect(await said(checkWritable(join(scratch, "absent/")))).toBe(`There is no directory ${scratch}/absent/.`);
  expect(await said(checkWritable(join(scratch, "absent", "x")))).toBe(
    `There is no directory ${scratch}/absent for x.`,
  );
  await checkWritable(join(scratch, "x"));
});

test("what is wrong here is said in words, with the path", async () => {
  await writeFile(join(scratch, "file"), "kept");
  await mkdir(join(scratch, "in", "x.sh"), { recursive: true });
  const download = (local: string) => downloadFile(sandbox, { local: join(scratch, local), guest: "x.sh" }, {});
  expect(await said(checkReadable(join(scratch, "file", "x")))).toBe(
    `${scratch}/file/x cannot be read: not a directory`,
  );
  expect(await said(download("in"))).toBe(`${scratch}/in/x.sh is a directory: name another place for the file.`);
  expect(await said(download("file/x"))).toBe(`${scratch}/file/x: not a directory`);
  expect(await readdir(join(scratch, "in", "x.sh"))).toEqual([]);
  expect((await readdir(scratch)).sort()).toEqual(["file", "in"]);
  await download("file");
  expect(await readFile(join(scratch, "file"), "utf8")).toBe("new");
});
