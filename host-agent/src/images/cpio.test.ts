import { execFileSync } from "node:child_process";
import { lstat, readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { temporaryFolder } from "../linux/testing/temporary-folder.ts";
import { type CpioEntry, cpioArchive } from "./cpio.ts";

test("writes these very bytes", () => {
  const archive = cpioArchive([
    { type: "file", path: "init", mode: 0o755, data: Buffer.from("hello") },
    { type: "directory", path: "dev", mode: 0o755 },
    { type: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
  ]);
  const zero = "00000000";
  const members = [
    // inode, mode, uid, gid, links, time, size, device, device node, length of the name, checksum; then name and data
    `07070100000001000041ED${zero}${zero}00000002${zero}${zero}${zero}${zero}${zero}${zero}00000004${zero}dev\0\0\0`,
    `0707010000000200002180${zero}${zero}00000001${zero}${zero}${zero}${zero}00000005000000010000000C${zero}dev/console\0\0\0`,
    `0707010000000300008` +
      `1ED${zero}${zero}00000001${zero}00000005${zero}${zero}${zero}${zero}00000005${zero}init\0\0hello\0\0\0`,
    `07070100000000${zero}${zero}${zero}00000001${zero}${zero}${zero}${zero}${zero}${zero}0000000B${zero}TRAILER!!!\0\0\0\0`,
  ];
  expect(archive.toString("latin1")).toBe(members.join(""));
  expect(archive.length % 4).toBe(0);
});

test("the order of entries makes no difference, and a path may occur once", () => {
  const entries: CpioEntry[] = [
    { type: "directory", path: "a", mode: 0o755 },
    { type: "file", path: "a/b", mode: 0o644, data: Buffer.from("b") },
    { type: "file", path: "a-b", mode: 0o644, data: Buffer.from("c") },
  ];
  expect(cpioArchive(entries.toReversed()).equals(cpioArchive(entries))).toBe(true);
  expect(() => cpioArchive([...entries, entries[0]!])).toThrow("a is twice in the archive");
});

const name = fc.stringMatching(/^[a-zA-Z0-9._-]{1,20}$/).filter((text) => text !== "." && text !== "..");
const file = fc.record({ data: fc.uint8Array({ maxLength: 300 }), mode: fc.constantFrom(0o600, 0o644, 0o755, 0o444) });
const tree = fc.dictionary(name, fc.oneof(file, fc.dictionary(name, file, { maxKeys: 4 })), { maxKeys: 6 });

function isFile(node: object): node is { data: Uint8Array; mode: number } {
  return "data" in node && node.data instanceof Uint8Array;
}

test("cpio unpacks what was packed", async () => {
  await fc.assert(
    fc.asyncProperty(tree, async (content) => {
      const entries: CpioEntry[] = [];
      for (const [path, node] of Object.entries(content)) {
        if (isFile(node)) entries.push({ type: "file", path, ...node });
        else {
          entries.push({ type: "directory", path, mode: 0o755 });
          for (const [child, leaf] of Object.entries(node))
            entries.push({ type: "file", path: `${path}/${child}`, ...leaf });
        }
      }
      const folder = temporaryFolder();
      execFileSync("cpio", ["--extract", "--quiet"], { cwd: folder, input: cpioArchive(entries) });
      const found = await readdir(folder, { recursive: true, withFileTypes: true });
      const paths = found.map((entry) => relative(folder, join(entry.parentPath, entry.name)));
      expect(paths.sort()).toEqual(entries.map(({ path }) => path).sort());
      for (const entry of entries) {
        const status = await lstat(join(folder, entry.path));
        expect([status.isDirectory(), status.mode & 0o777]).toEqual([entry.type === "directory", entry.mode]);
        if (entry.type === "file") expect((await readFile(join(folder, entry.path))).equals(entry.data)).toBe(true);
      }
    }),
    { numRuns: 30 },
  );
});

test("device nodes come out as such", async () => {
  const archive = cpioArchive([{ type: "character-device", path: "null", mode: 0o666, major: 1, minor: 3 }]);
  const listing = execFileSync("cpio", ["--list", "--verbose", "--quiet"], { input: archive, encoding: "utf8" });
  expect(listing).toMatch(/^crw-rw-rw-\s+1 root\s+root\s+1,\s+3 .* null$/m);
});
