import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { expect, test } from "vitest";
import { expectPromisesKept } from "../testing/promises.ts";
import { scratchDirectory } from "../testing/scratch.ts";
import { MemoryStore } from "./store.ts";

const ROUNDS = Number(process.env.WARREN_MEMORY_CRASH_ROUNDS ?? 30);
const PROGRAM = new URL("../testing/crash-process.ts", import.meta.url).pathname;

test("a store outlives SIGKILL at any point of writing, publishing, merging and collecting", {
  timeout: ROUNDS * 30_000,
}, async () => {
  const directory = await scratchDirectory();
  const memory = join(directory, "memory");
  const log = join(directory, "log");
  await mkdir(join(directory, "expected"));
  await mkdir(join(memory, "headers"), { recursive: true });
  await writeFile(log, "");
  let publications = 0;
  const promised = new Set<string>();
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, directory, String(seed)], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, NODE_COMPILE_CACHE: join(directory, "compiled") },
    });
    const [, signal] = await once(child, "exit");
    expect(signal).toBe("SIGKILL");

    for (const line of (await readFile(log, "latin1")).split("\n")) {
      const [event, id] = line.split(" ");
      if (event === "published") promised.add(id!);
      else if (event === "releasing") promised.delete(id!);
      if (event === "published") publications++;
    }
    await writeFile(log, "");
    const contents = await readContents(directory, memory);
    const store = await MemoryStore.open(memory, { captureBuffers: 1, backgroundBuffers: 1 });
    await expectPromisesKept(store, { promised, content: (id) => contents.get(id)! });
  }
  expect(publications).toBeGreaterThan(ROUNDS);
});

/** What each header on disk must hold; what others would have held is forgotten. */
async function readContents(directory: string, memory: string): Promise<Map<string, Buffer>> {
  const headers = await readdir(join(memory, "headers"));
  const contents = new Map<string, Buffer>();
  for (const id of await readdir(join(directory, "expected"))) {
    const path = join(directory, "expected", id);
    if (headers.includes(`${id}.header`)) contents.set(id, await readFile(path));
    else await rm(path);
  }
  return contents;
}
