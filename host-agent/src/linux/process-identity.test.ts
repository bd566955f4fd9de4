import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { HeldProcess, processesOf, startTicks } from "./process-identity.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";

const UID = 799_991;

async function sleeper(options: { uid?: number; cwd?: string } = {}, ...prefix: string[]) {
  const [program = "", ...rest] = [...prefix, "sleep", "1000"];
  const child = spawn(program, rest, { stdio: "ignore", ...options });
  const ended = once(child, "exit");
  await once(child, "spawn");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return { child, pid: child.pid as number, ended };
}

test("a process is held by its id and start time, and killed", async () => {
  const { child, pid, ended } = await sleeper();
  const ticks = await startTicks(pid);
  expect(ticks).toMatch(/^\d+$/);
  const held = await HeldProcess.take({ pid, startTicks: ticks as string });
  held?.kill();
  await held?.gone();
  held?.release();
  await ended;
  expect(child.signalCode).toBe("SIGKILL");
  expect(await startTicks(pid)).toBeUndefined();
});

test("another process with the same id is not taken for the one that is meant", async () => {
  const { child, pid } = await sleeper();
  const ticks = BigInt((await startTicks(pid)) as string);
  expect(await HeldProcess.take({ pid, startTicks: String(ticks - 1n) })).toBeUndefined();
  expect(child.exitCode).toBeNull();
});

test("a process that is gone cannot be held", async () => {
  const { child, pid, ended } = await sleeper();
  const ticks = (await startTicks(pid)) as string;
  child.kill("SIGKILL");
  await ended;
  expect(await HeldProcess.take({ pid, startTicks: ticks })).toBeUndefined();
});

test("a process held by two is killed by one and gone for both", async () => {
  const { pid } = await sleeper();
  const identity = { pid, startTicks: (await startTicks(pid)) as string };
  const holds = [await HeldProcess.take(identity), await HeldProcess.take(identity)];
  holds[0]?.kill();
  await Promise.all(holds.map((held) => held?.gone()));
  holds[1]?.kill();
  for (const held of holds) held?.release();
});

test("the processes of a user and of a directory are found, and no others", async () => {
  const folder = realpathSync(temporaryFolder());
  const [owned, inside, other] = await Promise.all([sleeper({ uid: UID }), sleeper({ cwd: folder }), sleeper()]);
  const found = await processesOf(UID, folder);
  expect(found.toSorted()).toEqual([owned.pid, inside.pid].toSorted());
  expect(found).not.toContain(other.pid);
  expect(await processesOf(UID, `${folder}-other`)).toEqual([owned.pid]);
});

test("a process that has the root of a directory under another path, in a mount namespace of its own, is found", async () => {
  const folder = realpathSync(temporaryFolder());
  mkdirSync(join(folder, "root"));
  const elsewhere = temporaryFolder();
  const script = `mount --bind ${folder}/root ${elsewhere} && cd ${elsewhere} && exec "$@"`;
  const { pid } = await sleeper({}, "unshare", "--mount", "sh", "-c", script, "sh");
  await expect.poll(() => readlinkSync(`/proc/${pid}/cwd`)).toBe(elsewhere);
  expect(await processesOf(UID, folder)).toEqual([pid]);
});
