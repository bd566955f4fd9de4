import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { lockFile } from "@warren/server/file-lock";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../linux/testing/temporary-folder.ts";
import type { Facts } from "./content-key.ts";
import { type ImageRecipe, ImageStore, removeImageFolders } from "./store.ts";

const BUILDER = join(import.meta.dirname, "testing/build-in-process.ts");

/** A recipe whose folder holds one file, and how often it was built. */
function sample(inputs: Facts, resolved: Facts = {}): ImageRecipe & { builds: number } {
  return {
    name: "sample",
    inputs,
    builds: 0,
    async build(folder) {
      this.builds++;
      await writeFile(join(folder, "file"), JSON.stringify([inputs, resolved]));
      return resolved;
    },
  };
}

function openStore(directory: string): ImageStore {
  const store = new ImageStore(directory, () => undefined);
  onTestFinished(() => store.close());
  return store;
}

async function folders(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name !== "lock" && name !== "requests").sort();
}

test("a folder is built once and found ever after, by this and by later processes", async () => {
  const directory = temporaryFolder();
  const recipe = sample({ recipe: "1" }, { version: "6.1" });
  const first = await openStore(directory).ensure(recipe, false);
  expect(first.resolved).toEqual({ version: "6.1" });
  expect(await readFile(join(first.path, "file"), "utf8")).toContain("6.1");
  expect(await openStore(directory).ensure(recipe, false)).toEqual(first);
  expect(await openStore(directory).find(recipe)).toEqual(first);
  expect(recipe.builds).toBe(1);
});

test("other inputs make another folder, and both stand", async () => {
  const store = openStore(temporaryFolder());
  const [one, two] = [sample({ recipe: "1" }), sample({ recipe: "2" })];
  const first = await store.ensure(one, false);
  const second = await store.ensure(two, false);
  expect(second.path).not.toBe(first.path);
  expect(await store.find(one)).toEqual(first);
});

test("a refresh that comes to something new gets a folder of its own and leaves the old one", async () => {
  const store = openStore(temporaryFolder());
  const old = await store.ensure(sample({ recipe: "1" }, { version: "6.1.1" }), false);
  const same = await store.ensure(sample({ recipe: "1" }, { version: "6.1.1" }), true);
  expect(same).toEqual(old);
  const fresh = await store.ensure(sample({ recipe: "1" }, { version: "6.1.2" }), true);
  expect(fresh.path).not.toBe(old.path);
  expect(await readFile(join(old.path, "file"), "utf8")).toContain("6.1.1");
  expect(await store.find(sample({ recipe: "1" }))).toEqual(fresh);
});

test.each([
  ["a file is gone", (folder: string) => rm(join(folder, "file"))],
  ["a file is cut short", (folder: string) => truncate(join(folder, "file"), 3)],
  ["the manifest is gone", (folder: string) => rm(join(folder, "manifest.json"))],
  ["the manifest is garbage", (folder: string) => writeFile(join(folder, "manifest.json"), "{")],
  ["the folder is gone", (folder: string) => rm(folder, { recursive: true })],
])("a folder is built again when %s", async (_, damage) => {
  const directory = temporaryFolder();
  const recipe = sample({ recipe: "1" });
  const store = openStore(directory);
  const { path } = await store.ensure(recipe, false);
  await damage(path);
  expect(await store.find(recipe)).toBeUndefined();
  expect((await store.ensure(recipe, false)).path).toBe(path);
  expect(JSON.parse(await readFile(join(path, "file"), "utf8"))).toEqual([{ recipe: "1" }, {}]);
  expect(await folders(directory)).toHaveLength(1);
});

test("a build that fails leaves nothing behind and says why", async () => {
  const directory = temporaryFolder();
  const recipe: ImageRecipe = {
    name: "sample",
    inputs: {},
    build: async (folder, runTool) => {
      await mkdir(join(folder, "half"));
      await runTool("sh", ["-c", "echo no such package >&2; exit 3"], { hint: "Try something else." });
      return {};
    },
  };
  const failure = openStore(directory).ensure(recipe, false);
  await expect(failure).rejects.toMatchObject({
    code: "image_build_failed",
    message: expect.stringMatching(/status 3.*Try something else\.[\s\S]*no such package/),
  });
  expect(await folders(directory)).toEqual([]);
});

test("a build of a killed process counts for nothing, its tools end, and the next one succeeds", async () => {
  const directory = temporaryFolder();
  const log = join(directory, "../", `${directory.split("/").at(-1)}.log`);
  onTestFinished(() => rm(log, { force: true }));
  const stuck = startBuilder(directory, log, "stuck");
  const tool = Number((await stuck.line(/^building (\d+)$/))[1]);
  expect(await isAlive(tool)).toBe(true);
  stuck.child.kill("SIGKILL");
  await once(stuck.child, "close");
  expect(await folders(directory)).toEqual([expect.stringMatching(/^\.building-sample-/)]);
  const next = startBuilder(directory, log, "complete");
  const path = (await next.line(/^done (.*)$/))[1]!;
  // The lock was free only when the tool was gone.
  expect(await isAlive(tool)).toBe(false);
  expect((await readdir(path)).sort()).toEqual(["half", "manifest.json", "other"]);
  expect(await folders(directory)).toEqual([path.split("/").at(-1)]);
  expect(await readFile(log, "utf8")).toBe("built\nbuilt\n");
});

test("processes that build the same at once build it once", async () => {
  const directory = temporaryFolder();
  const log = `${directory}.log`;
  onTestFinished(() => rm(log, { force: true }));
  const held = await lockFile(join(directory, "lock"));
  const builders = [startBuilder(directory, log, "complete"), startBuilder(directory, log, "complete")];
  // Both are past their first look, and neither finds the folder.
  await Promise.all(builders.map((builder) => builder.line(/^waiting$/)));
  held.release();
  const paths = await Promise.all(builders.map(async (builder) => (await builder.line(/^done (.*)$/))[1]));
  expect(paths[0]).toBe(paths[1]);
  expect(await readFile(log, "utf8")).toBe("built\n");
});

test("folders that nobody needs are removed, and what killed builds left", async () => {
  const directory = temporaryFolder();
  const store = openStore(directory);
  const [current, used, old] = [sample({ recipe: "3" }), sample({ recipe: "2" }), sample({ recipe: "1" })];
  const paths = [];
  for (const recipe of [current, used, old]) paths.push((await store.ensure(recipe, false)).path);
  await store.close();
  await mkdir(join(directory, ".building-sample-0000000000000000/half"), { recursive: true });
  await writeFile(join(directory, "verdict.json"), "{}");
  const removed = await removeImageFolders(directory, [join(paths[0]!, "file"), paths[1]!]);
  expect(removed).toEqual([paths[2]]);
  expect(await folders(directory)).toEqual(
    [paths[0], paths[1]]
      .map((path) => path!.split("/").at(-1))
      .concat("verdict.json")
      .sort(),
  );
  expect(await readdir(join(directory, "requests"))).toHaveLength(2);
  expect(await store.find(old)).toBeUndefined();
  expect(await store.find(used)).toMatchObject({ path: paths[1] });
});

test("nothing is removed while another process builds", async () => {
  const directory = temporaryFolder();
  const store = openStore(directory);
  const { path } = await store.ensure(sample({}), false);
  // The store keeps the lock until it is closed, as it does while it builds.
  expect(await removeImageFolders(directory, [])).toEqual([]);
  expect((await stat(path)).isDirectory()).toBe(true);
  await store.close();
  expect(await removeImageFolders(directory, [])).toEqual([path]);
});

test("an image directory that does not exist has nothing to remove", async () => {
  expect(await removeImageFolders(join(temporaryFolder(), "absent"), [])).toEqual([]);
});

interface Builder {
  child: ChildProcess;
  /** Waits for a line of output. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
}

function startBuilder(directory: string, log: string, behaviour: "complete" | "stuck"): Builder {
  const child = spawn(process.execPath, [...NODE_FLAGS, BUILDER, directory, log, behaviour], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout! }).on("line", (line) => lines.push(line));
  const line = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = lines.map((text) => pattern.exec(text)).find((found) => found !== null);
      if (match) return match;
      const ended = once(output, "close").then(() => "end" as const);
      if ((await Promise.race([once(output, "line"), ended])) === "end" && !lines.some((text) => pattern.test(text))) {
        throw new Error(`the builder ended without ${pattern}: ${lines.join("; ")}`);
      }
    }
  };
  return { child, line };
}

/** Whether a process runs; one that only waits for its parent to read its status does not. */
async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return status !== "" && !/^State:\s+Z/m.test(status);
}
