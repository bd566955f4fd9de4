import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Sandbox, WarrenError } from "@warren/sdk";
import { readArchive } from "@warren/server/archive";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { downloadTree, uploadTree } from "./copy-tree.ts";

let scratch: string;
let copy: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), "warren-copy-"));
  copy = join(scratch, "copy");
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

/** A sandbox that has one directory, of which this shell script writes an archive. */
function sandboxWith(script: string): Sandbox {
  return {
    files: {
      stat: async () => ({ path: "/srv/data", type: "directory" }),
      openArchive: async () => spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "inherit"] }).stdout,
    },
  } as unknown as Sandbox;
}

const download = (sandbox: Sandbox) => downloadTree(sandbox, { local: copy, guest: "data" }, {});

describe("a directory of a sandbox", () => {
  test("that may not be read is refused with the reason, and leaves nothing here", async () => {
    const sandbox = sandboxWith("exit 1");
    sandbox.files.openArchive = async () => {
      throw new WarrenError("file_forbidden", "path '/srv/data': permission denied");
    };
    await expect(download(sandbox)).rejects.toThrow("path '/srv/data': permission denied");
    expect(await readdir(scratch)).toEqual([]);
  });

  test("whose archive breaks off is told as such when the sandbox takes it for whole", async () => {
    await expect(download(sandboxWith("exit 0"))).rejects.toThrow("breaks off");
    expect(await readdir(scratch)).toEqual([]);
  });

  test("of which only a part can be read is here as far as it could be", async () => {
    await mkdir(join(scratch, "data"));
    await writeFile(join(scratch, "data", "file"), "x");
    await writeFile(join(scratch, "data.left-out.txt"), "data/closed: permission denied\n");
    const script = `tar --create --format=posix --directory ${scratch} data data.left-out.txt`;
    await expect(download(sandboxWith(script))).rejects.toThrow("data/closed: permission denied");
    expect(await readFile(join(copy, "file"), "utf8")).toBe("x");
  });

  test("does not take the place of what is here", async () => {
    await writeFile(copy, "kept");
    await expect(download(sandboxWith("exit 0"))).rejects.toThrow(`${copy} is there already and no directory`);
    expect(await readFile(copy, "utf8")).toBe("kept");
    await rm(copy);
    await mkdir(join(copy, "data"), { recursive: true });
    await expect(download(sandboxWith("exit 0"))).rejects.toThrow(`${join(copy, "data")} is there already`);
  });
});

test("a directory goes into a sandbox as one archive, and what refuses it says why", async () => {
  await mkdir(join(scratch, "tree", "sub"), { recursive: true });
  await writeFile(join(scratch, "tree", "sub", "file"), "x".repeat(300_000));
  const sent: [path: string, members: string[]][] = [];
  const files = {
    stat: async () => {
      throw new WarrenError("file_not_found", "no");
    },
    writeArchive: async (path: string, archive: AsyncIterable<Buffer>) => {
      const members: string[] = [];
      for await (const member of readArchive(archive)) members.push(member.path);
      sent.push([path, members]);
    },
  };
  const upload = (guest: string) =>
    uploadTree({ files } as unknown as Sandbox, { local: join(scratch, "tree"), guest }, {});
  await upload("/srv/data");
  await upload("/srv/");
  const members = ["./", "./sub/", "./sub/file"];
  expect(sent).toEqual([
    ["/srv/data", members],
    ["/srv/tree", members],
  ]);
  files.writeArchive = async () => {
    throw new WarrenError("disk_full", "the disk of the sandbox is full");
  };
  await expect(upload("/srv/data")).rejects.toThrow("the disk of the sandbox is full");
});
