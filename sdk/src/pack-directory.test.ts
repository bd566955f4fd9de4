import { execFileSync } from "node:child_process";
import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { packDirectory } from "./pack-directory.ts";

async function scratch(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "warren-pack-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

test("a directory is packed with what it has, so that tar(1) makes the same of it", async () => {
  const [source, copy] = [await scratch(), await scratch()];
  const long = join("l".repeat(200), "m".repeat(200));
  await mkdir(join(source, long), { recursive: true });
  await mkdir(join(source, "sub"));
  await writeFile(join(source, long, "large"), Buffer.alloc(3_000_001, "large"));
  await writeFile(join(source, "sub", "program"), "#!", { mode: 0o755 });
  await chmod(join(source, "sub", "program"), 0o4755);
  await link(join(source, "sub", "program"), join(source, "again"));
  await writeFile(join(source, "ü"), "");
  await symlink("../away", join(source, "link"));
  await utimes(join(source, "sub", "program"), 1e9, 1_000_000_000.5);
  await utimes(join(source, "sub"), 1e9, 1e9);
  execFileSync("mkfifo", [join(source, "pipe")]);
  const archive = await buffer(await packDirectory(source));
  execFileSync("tar", ["--extract", "--preserve-permissions", "--directory", copy], { input: archive });
  expect((await readFile(join(copy, long, "large"))).equals(Buffer.alloc(3_000_001, "large"))).toBe(true);
  expect(await stat(join(copy, "sub", "program"))).toMatchObject({ mode: 0o100755, mtimeMs: 1_000_000_000_500 });
  // Levels come one after the other, which makes tar(1) forget the times of directories; the guest agent keeps them.
  const told = execFileSync("tar", ["--list", "--verbose", "--full-time", "--utc"], {
    input: archive,
    encoding: "utf8",
  });
  expect(told).toMatch(/^drwxr-xr-x .* 2001-09-09 01:46:40 +\.\/sub\/$/m);
  expect(await readFile(join(copy, "again"), "utf8")).toBe("#!");
  expect(await readFile(join(copy, "ü"), "utf8")).toBe("");
  expect(await readlink(join(copy, "link"))).toBe("../away");
  await expect(stat(join(copy, "pipe"))).rejects.toThrow("ENOENT");
});

test("what is no directory is told of before anything is sent", async () => {
  const source = await scratch();
  await writeFile(join(source, "file"), "x");
  await expect(packDirectory(join(source, "file"))).rejects.toThrow("ENOTDIR");
  await expect(packDirectory(join(source, "absent"))).rejects.toThrow("ENOENT");
});
