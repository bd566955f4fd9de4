import { execFileSync } from "node:child_process";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pack } from "./pack.ts";
import { unpack } from "./unpack.ts";

let scratch: string;
let source: string;
let copy: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), "warren-tree-"));
  [source, copy] = [join(scratch, "source"), join(scratch, "copy")];
  await mkdir(source);
  await mkdir(copy);
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

/** One entry of an archive as an enemy may write it. */
interface Forged {
  name: string;
  type?: string;
  content?: string;
  target?: string;
  mode?: string;
  size?: string;
}

function entry({ name, type = "0", content = "", target = "", mode = "0000644", size }: Forged): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write(`${mode}\0`, 100);
  header.write(size ?? `${Buffer.byteLength(content).toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000001\0", 136);
  header.write("        ", 148);
  header.write(type, 156);
  header.write(target, 157, 100);
  header.write("ustar\0" + "00", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const body = Buffer.alloc(Math.ceil(Buffer.byteLength(content) / 512) * 512);
  body.write(content);
  return Buffer.concat([header, body]);
}

/** Name of the directory of which forged archives are. */
const NAME = "t";
const ROOT = { name: "", type: "5", mode: "0000755" };
const END = Buffer.alloc(1024);
/** An archive of entries, whose names are below that of the directory. */
const archive = (...entries: Forged[]) =>
  Buffer.concat([...entries.map((forged) => entry({ ...forged, name: `${NAME}/${forged.name}` })), END]);

async function* pieces(bytes: Buffer, size = bytes.length): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function copied(): Promise<void> {
  const { archive: bytes, packed } = pack(source);
  await unpack(bytes, copy, ".");
  await packed;
}

describe("a directory", () => {
  test("is the same in the copy, with modes, times and links, however deep it is", async () => {
    const levels = Array.from({ length: 70 }, (_, level) => `level-${level}-${"x".repeat(30)}`);
    const deep = join(source, ...levels);
    await mkdir(deep, { recursive: true });
    await writeFile(join(deep, "file"), "deep", { mode: 0o640 });
    await mkdir(join(source, "empty"), { mode: 0o700 });
    await mkdir(join(source, "read-only"));
    await writeFile(join(source, "read-only", "program"), "x".repeat(100_000));
    await chmod(join(source, "read-only", "program"), 0o4755);
    await symlink("../empty", join(source, "read-only", "link"));
    await symlink("not-there", join(source, "dangling"));
    await writeFile(join(source, "ü \n name"), "");
    await utimes(join(source, "read-only"), 1e9, 1_000_000_000.5);
    await chmod(join(source, "read-only"), 0o555);
    await utimes(join(source, levels[0]!), 2e9, 2e9);
    await copied();
    expect(await readFile(join(copy, ...levels, "file"), "utf8")).toBe("deep");
    expect((await stat(join(copy, ...levels, "file"))).mode).toBe(0o100640);
    expect(await readdir(join(copy, "empty"))).toEqual([]);
    expect((await stat(join(copy, "empty"))).mode).toBe(0o40700);
    expect(await stat(join(copy, "read-only"))).toMatchObject({ mode: 0o40555, mtimeMs: 1_000_000_000_500 });
    expect((await stat(join(copy, levels[0]!))).mtimeMs).toBe(2e12);
    // Nobody gets the rights of its owner.
    expect((await stat(join(copy, "read-only", "program"))).mode).toBe(0o100755);
    expect(await readlink(join(copy, "read-only", "link"))).toBe("../empty");
    expect(await readlink(join(copy, "dangling"))).toBe("not-there");
    expect((await readdir(copy)).sort()).toEqual((await readdir(source)).sort());
  });

  test("with what cannot be copied says so, and the rest is there", async () => {
    execFileSync("mkfifo", [join(source, "pipe")]);
    await symlink("/etc/passwd", join(source, "out"));
    await writeFile(join(source, "z"), "z");
    await expect(copied()).rejects.toThrow(/Not all .*(pipe is neither.*out leads out|out leads out.*pipe is neither)/);
    expect(await readFile(join(copy, "z"), "utf8")).toBe("z");
    expect((await readdir(copy)).sort()).toEqual(["z"]);
  });

  test("with a socket, which tar leaves out, says so", async () => {
    const server = createServer().listen(join(source, "socket"));
    await new Promise((listening) => server.once("listening", listening));
    await expect(copied()).rejects.toThrow(/Not all .*socket/);
    server.close();
  });
});

describe("an archive of an enemy", () => {
  test.each([["../x"], ["/x"], ["a/../../x"], [".//x"], ["./../x"], ["a/b"], [".."], ["x/."]])(
    "does not write to %j",
    async (name) => {
      await expect(unpack(pieces(archive(ROOT, { name, content: "x" })), copy, NAME)).rejects.toThrow("with the path");
      expect(await readdir(scratch)).toEqual(["copy", "source"]);
      expect(await readdir(copy)).toEqual([]);
    },
  );

  test("does not write through links", async () => {
    await mkdir(join(copy, "real"));
    const bytes = archive(ROOT, { name: "d", type: "2", target: "../source" }, { name: "d/x", content: "x" });
    await expect(unpack(pieces(bytes), copy, NAME)).rejects.toThrow('the path "t/d/x"');
    const twice = archive(ROOT, { name: "f", type: "2", target: "g" }, { name: "f", content: "x" });
    await expect(unpack(pieces(twice), copy, NAME)).rejects.toThrow("EEXIST");
    expect(await readdir(source)).toEqual([]);
  });

  test.each([
    ["/etc/passwd"],
    [".."],
    ["../source"],
    ["a/../../source"],
    // Leads out when `here` leads to its own directory.
    ["here/here/../.."],
    [""],
  ])("makes no link to %j", async (target) => {
    const bytes = archive(ROOT, { name: "here", type: "2", target: "." }, { name: "link", type: "2", target });
    await expect(unpack(pieces(bytes), copy, NAME)).rejects.toThrow("the link t/link leads out of it");
    await expect(lstat(join(copy, "link"))).rejects.toThrow("ENOENT");
  });

  test.each([
    ["that breaks off", archive(ROOT, { name: "a", content: "x" }).subarray(0, 1200), "breaks off"],
    ["with a wrong sum", Buffer.concat([Buffer.alloc(512, 1), END]), "where a directory was expected"],
    ["with a size that is none", archive(ROOT, { name: "a", size: "99999999999\0" }), "the number"],
    ["with an endless header", archive({ name: "a", type: "x", size: "77777777777\0" }), "an extended header of"],
    [
      "with a header that is none",
      archive({ name: "a", type: "x", content: "99 path=x\n" }),
      "an extended header that",
    ],
    ["that goes on after its end", Buffer.alloc(3_000_000), "goes on"],
    ["of another directory", Buffer.concat([entry({ name: "other/", type: "5" }), END]), 'the path "other/"'],
    ["without the directory itself", archive({ name: "a", content: "x" }), "with the path"],
    ["with a device", archive(ROOT, { name: "a", type: "3" }), "neither a file"],
    ["with a second name of a file", archive(ROOT, { name: "a", type: "1", target: "/etc/passwd" }), "neither a file"],
  ])("%s is refused", async (_name, bytes, message) => {
    await expect(unpack(pieces(bytes), copy, NAME)).rejects.toThrow(message);
  });

  test("says in a few words, without its lines, what was left out", async () => {
    const told = entry({
      name: "t.left-out.txt",
      content: `Not in this archive:\nt/a: no\n${"t/b: no\n".repeat(100_000)}`,
    });
    const bytes = Buffer.concat([archive(ROOT, { name: "c", content: "x" }).subarray(0, -1024), told, END]);
    const error: Error = await unpack(pieces(bytes), copy, NAME).then(
      () => expect.fail("it is whole"),
      (thrown) => thrown,
    );
    expect(error.message).toMatch(/^Not all of the directory was copied: Not in this archive:; t\/a: no; t\/b/);
    expect(error.message.length).toBeLessThan(2500);
    expect(await readdir(copy)).toEqual(["c"]);
  });

  test("names a few of many that were left out, and of each no more than one reads", async () => {
    const linkpath = `linkpath=/${"x".repeat(100_000)}\n`;
    const extended = { name: "pax", type: "x", content: `${linkpath.length + 7} ${linkpath}` };
    const links = Array.from({ length: 12 }, (_, number) => [extended, { name: `link${number}`, type: "2" }]).flat();
    const error: Error = await unpack(pieces(archive(ROOT, ...links)), copy, NAME).then(
      () => expect.fail("it is whole"),
      (thrown) => thrown,
    );
    expect(error.message).toMatch(/the link t\/link9 leads out of it, to \/x+; and 2 more\.$/);
    expect(error.message.length).toBeLessThan(25_000);
  });

  test("is read or refused the same however it comes, and leaves nothing outside", async () => {
    const name = fc.constantFrom("a", "a/b", "./a", "../a", "/a", "d", "d/a", "d/..", "a/../d", "");
    const forged = fc.record({
      name,
      type: fc.constantFrom("0", "0", "1", "2", "3", "5", "5", "x", "g", "?"),
      content: fc.constantFrom("", "x", "12 path=t/a\n", "15 path=t/../a\n", "30 mtime=1\n"),
      target: name,
    });
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(forged, { maxLength: 5 }), fc.integer({ min: 1, max: 700 }), async (entries, size) => {
        const bytes = archive(ROOT, ...entries);
        const results = [];
        for (const step of [bytes.length, size]) {
          const root = join(scratch, `run-${runs}`, "root");
          await mkdir(root, { recursive: true });
          const message = await unpack(pieces(bytes, step), root, NAME).then(
            () => "",
            (error: Error) => error.message.replaceAll(root, ""),
          );
          expect(await readdir(join(scratch, `run-${runs}`))).toEqual(["root"]);
          results.push([message, (await readdir(root, { recursive: true })).sort()]);
          runs += 1;
        }
        expect(results[1]).toEqual(results[0]);
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});
