import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, chown, lutimes, mkdir, readdir, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../linux/testing/temporary-folder.ts";
import { makeExt4 } from "./ext4.ts";
import { toolRunner } from "./tool.ts";

const EPOCH = 1_700_000_000;
const SIZE = 256 * 1024 ** 2;

/** A directory with one of each, made in the given order of names. */
async function makeTree(root: string, names: readonly string[]): Promise<void> {
  await mkdir(join(root, "home/user"), { recursive: true });
  for (const name of names) await writeFile(join(root, "home/user", name), `content of ${name}`);
  await writeFile(join(root, "large"), Buffer.alloc(3_000_000, "warren"));
  await writeFile(join(root, "program"), "#!/bin/sh\n");
  await chmod(join(root, "program"), 0o4755);
  await chown(join(root, "home/user"), 1000, 1000);
  await symlink("large", join(root, "link"));
  for (const entry of await readdir(root, { recursive: true })) await lutimes(join(root, entry), EPOCH - 5, EPOCH - 5);
  await lutimes(root, EPOCH - 5, EPOCH - 5);
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

test("equal directories make equal bytes, whenever and in whatever order they were made", async () => {
  const names = Array.from({ length: 60 }, (_, index) => `file-${index}`);
  const hashes = [];
  for (const order of [names, names.toReversed()]) {
    const folder = temporaryFolder();
    await makeTree(join(folder, "root"), order);
    await makeExt4(join(folder, "root"), join(folder, "image"), { size: SIZE, epoch: EPOCH }, toolRunner());
    hashes.push(await sha256(join(folder, "image")));
    expect((await readdir(folder)).sort()).toEqual(["image", "root"]);
  }
  expect(hashes[0]).toBe(hashes[1]);
});

test("the file system is whole, sparse, journaled, and holds what the directory held", async () => {
  const folder = temporaryFolder();
  await makeTree(join(folder, "root"), ["notes"]);
  const image = join(folder, "image");
  await makeExt4(join(folder, "root"), image, { size: SIZE, epoch: EPOCH }, toolRunner());
  const { size, blocks } = await stat(image);
  expect(size).toBe(SIZE);
  // The content, 16 MiB of journal, and little else.
  expect(blocks * 512).toBeLessThan(24 * 1024 ** 2);
  const run = (program: string, args: string[]) => execFileSync(program, args, { encoding: "utf8", stdio: "pipe" });
  run("e2fsck", ["-f", "-n", image]);
  expect(run("dumpe2fs", ["-h", image])).toMatch(/Filesystem features:.*has_journal.*ext_attr.*metadata_csum/);
  const debugfs = (command: string) => run("debugfs", ["-R", command, image]);
  expect(debugfs("cat /home/user/notes")).toBe("content of notes");
  const user = debugfs("stat /home/user");
  expect(user).toMatch(/User:\s+1000\s+Group:\s+1000/);
  expect(debugfs("stat /program")).toContain("Mode:  04755");
  expect(debugfs("stat /link")).toContain('Fast link dest: "large"');
});
