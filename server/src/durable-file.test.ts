import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { removeUnfinishedWrites, writeFileDurably } from "./durable-file.ts";
import { NODE_FLAGS } from "./node-flags.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-durable-"));
});
afterEach(() => rm(directory, { recursive: true }));

/** A process that is killed when its temporary file is open. */
const WRITER = `
  const { writeFileDurably } = await import(process.argv[1]);
  async function* data() { process.kill(process.pid, "SIGKILL"); }
  await writeFileDurably(process.argv[2], data());
`;

it("replaces a file as a whole and leaves nothing beside it", async () => {
  const path = join(directory, "record.json");
  await writeFileDurably(path, "old");
  await writeFileDurably(path, "new");
  expect(await readFile(path, "utf8")).toBe("new");
  expect(await readdir(directory)).toEqual(["record.json"]);
});

it("removes what a killed writer left, and nothing else", async () => {
  await writeFileDurably(join(directory, "record.json"), "old");
  await writeFile(join(directory, ".hidden.tmp"), "of somebody else");
  const module = join(import.meta.dirname, "durable-file.ts");
  const writer = spawn(process.execPath, [
    ...NODE_FLAGS,
    "--input-type=module",
    "-e",
    WRITER,
    module,
    join(directory, "record.json"),
  ]);
  await once(writer, "exit");
  expect(await readdir(directory)).toHaveLength(3);

  await removeUnfinishedWrites(directory);
  expect((await readdir(directory)).sort()).toEqual([".hidden.tmp", "record.json"]);
  expect(await readFile(join(directory, "record.json"), "utf8")).toBe("old");
});
