import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { type FileLock, lockFile, lockFileWithin, processesWithFile, tryLockFile } from "./file-lock.ts";
import { NODE_FLAGS } from "./node-flags.ts";

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-file-lock-"));
  path = join(directory, "lock");
});
afterEach(() => rm(directory, { recursive: true }));

/** A process that has the descriptor of a lock until its standard input ends. */
async function heir(lock: FileLock): Promise<ChildProcess & { pid: number }> {
  const child = spawn("sh", ["-c", "echo; read line"], { stdio: ["pipe", "pipe", "inherit", lock.fd] });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout!, "data");
  return child as ChildProcess & { pid: number };
}

/** A Node process that takes the lock of the file in a way, prints a line before and one after, and stays. */
function taker(how: "lockFile" | "tryLockFile") {
  const program = `
    import { ${how} } from "${import.meta.dirname}/file-lock.ts";
    console.log("asks");
    const lock = await ${how}(${JSON.stringify(path)});
    console.log(lock ? "has it" : "has it not");
    setInterval(() => undefined, 1_000_000);`;
  const child = spawn(process.execPath, [...NODE_FLAGS, "--input-type=module-typescript", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

async function waitsForLock(child: ChildProcess): Promise<void> {
  const waiting = async () => (await processesWithFile(path)).length;
  await once(child.stdout!, "data");
  // It and the process that waits for it.
  await expect.poll(waiting).toBe(2);
}

test("is had by one at a time, in one process too, until it is let go of", async () => {
  const lock = await tryLockFile(path);
  expect(lock).toBeDefined();
  expect(await tryLockFile(path)).toBeUndefined();
  expect(await lockFileWithin(path, 0)).toBeUndefined();
  lock!.release();
  lock!.release();
  const next = await lockFileWithin(path, 0);
  expect(next).toBeDefined();
  expect(await tryLockFile(path)).toBeUndefined();
  next!.release();
});

test("is free again when a process that had it is killed", async () => {
  const child = taker("tryLockFile");
  for await (const text of child.stdout.setEncoding("utf8")) if (text.includes("has it")) break;
  expect(await tryLockFile(path)).toBeUndefined();
  const waiting = lockFile(path);
  child.kill("SIGKILL");
  (await waiting).release();
});

test("stays with a process that was given it, whom others find, and is had when that ends", async () => {
  const lock = (await tryLockFile(path))!;
  const child = await heir(lock);
  lock.release();
  expect(await tryLockFile(path)).toBeUndefined();
  expect(await lockFileWithin(path, 0.1)).toBeUndefined();
  expect(await processesWithFile(path)).toEqual([child.pid]);
  const waiting = lockFile(path);
  child.stdin!.end();
  (await waiting).release();
});

test("is not given to a process that was not told to have it", async () => {
  const lock = (await tryLockFile(path))!;
  const child = spawn("sh", ["-c", "echo; read line"], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  lock.release();
  (await tryLockFile(path))!.release();
});

test("is not taken by what a process has left that was killed while it waited", async () => {
  const lock = (await tryLockFile(path))!;
  const child = taker("lockFile");
  await waitsForLock(child);
  child.kill("SIGKILL");
  await once(child, "exit");
  await expect.poll(() => processesWithFile(path)).toEqual([]);
  lock.release();
  (await tryLockFile(path))!.release();
});

test("of a file that cannot be opened is refused with its path", async () => {
  const nowhere = join(directory, "no", "lock");
  await expect(tryLockFile(nowhere)).rejects.toThrow(nowhere);
});
