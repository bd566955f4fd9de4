import { execFileSync } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../linux/testing/temporary-folder.ts";
import { buildGuestAgent, goVersion, readGuestAgentSource } from "./guest-agent.ts";
import { toolRunner } from "./tool.ts";

const MODULE = {
  "go.mod": "module example/agent\n\ngo 1.19\n",
  "main.go":
    'package main\n\nimport (\n\t"fmt"\n\n\t"example/agent/internal/words"\n)\n\nfunc main() { fmt.Println(words.Ready) }\n',
  "internal/words/words.go": 'package words\n\nconst Ready = "ready"\n',
};

async function writeModule(files: Record<string, string>): Promise<string> {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, dirname(name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

test("the hash follows what ends up in the binary", async () => {
  const hash = async (files: Record<string, string>) => (await readGuestAgentSource(await writeModule(files))).hash;
  const original = await hash(MODULE);
  expect(await hash({ ...MODULE, "main_test.go": "package main\n", "testdata/x.go": "x", ".cache/y.go": "y" })).toBe(
    original,
  );
  expect(await hash({ ...MODULE, "internal/words/words.go": 'package words\n\nconst Ready = "set"\n' })).not.toBe(
    original,
  );
  expect(await hash({ ...MODULE, "go.mod": "module example/agent\n\ngo 1.20\n" })).not.toBe(original);
});

test("equal sources make equal binaries wherever they lie, and leave nothing else", async () => {
  const runTool = toolRunner();
  const binaries = [];
  for (let copy = 0; copy < 2; copy++) {
    const scratch = temporaryFolder();
    const source = await readGuestAgentSource(await writeModule(MODULE));
    binaries.push(Buffer.from(await buildGuestAgent(source, scratch, runTool)));
    expect(await readdir(scratch)).toEqual([]);
  }
  expect(binaries[0]!.equals(binaries[1]!)).toBe(true);
  const program = join(temporaryFolder(), "agent");
  await writeFile(program, binaries[0]!, { mode: 0o755 });
  expect(execFileSync(program, { encoding: "utf8" })).toBe("ready\n");
});

test("sources that do not compile are an error with the compiler's words", async () => {
  const source = await readGuestAgentSource(
    await writeModule({ ...MODULE, "main.go": "package main\n\nfunc main() { nowhere() }\n" }),
  );
  await expect(buildGuestAgent(source, temporaryFolder(), toolRunner())).rejects.toMatchObject({
    code: "image_build_failed",
    message: expect.stringContaining("undefined: nowhere"),
  });
});

test("a folder without a Go module is an error that names it", async () => {
  const folder = temporaryFolder();
  await expect(readGuestAgentSource(folder)).rejects.toThrow(folder);
  await expect(readGuestAgentSource(join(folder, "absent"))).rejects.toThrow("cannot be built");
});

test("says which Go it is", async () => {
  expect(await goVersion(toolRunner())).toMatch(/^go1\.\d+.* linux\//);
});
