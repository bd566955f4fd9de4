import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sandbox } from "@warren/sdk";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { downloadTree } from "./copy-tree.ts";

let scratch: string;
let copy: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), "warren-copy-"));
  copy = join(scratch, "copy");
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

/** A sandbox that has one directory, of which this shell script makes an archive; tar's arguments are the script's. */
function sandboxWith(script: string): Sandbox {
  return {
    files: { stat: async () => ({ path: "/srv/data", type: "directory" }) },
    stream: async (_cmd: string, args: string[]) => {
      const child = spawn("sh", ["-c", script, "tar", ...args], { stdio: ["ignore", "pipe", "pipe"] });
      const exit = once(child, "close").then(([exitCode]) => ({ exitCode, timedOut: false }));
      return { stdout: child.stdout, stderr: child.stderr, exit, close: () => child.kill() };
    },
  } as unknown as Sandbox;
}

const download = (script: string) => downloadTree(sandboxWith(script), { local: copy, guest: "data" }, {});

describe("a directory of a sandbox", () => {
  test.each([
    ["cannot be entered", ""],
    ["cannot be searched", "head -c 10240 /dev/zero;"],
  ])("that %s is refused with the reason, and leaves nothing here", async (_name, archive) => {
    const script = `${archive} echo "tar: /srv/data: Cannot open: Permission denied" >&2; exit 2`;
    await expect(download(script)).rejects.toThrow(/\/srv\/data: tar: \/srv\/data: Cannot open: Permission denied/);
    expect(await readdir(scratch)).toEqual([]);
  });

  test("whose archive breaks off is told as such when the sandbox takes it for whole", async () => {
    await expect(download("exit 0")).rejects.toThrow("breaks off");
    expect(await readdir(scratch)).toEqual([]);
  });

  test("of which only a part can be read is here as far as it could be", async () => {
    await mkdir(join(scratch, "source"));
    await writeFile(join(scratch, "source", "file"), "x");
    const script = `tar --create --format=posix --directory ${scratch}/source . ; echo "tar: closed: Cannot open" >&2; exit 2`;
    await expect(download(script)).rejects.toThrow("closed: Cannot open");
    expect(await readFile(join(copy, "file"), "utf8")).toBe("x");
  });

  test("does not take the place of what is here", async () => {
    await writeFile(copy, "kept");
    await expect(download("exit 0")).rejects.toThrow(`${copy} is there already and no directory`);
    expect(await readFile(copy, "utf8")).toBe("kept");
    await rm(copy);
    await mkdir(join(copy, "data"), { recursive: true });
    await expect(download("exit 0")).rejects.toThrow(`${join(copy, "data")} is there already`);
  });
});
