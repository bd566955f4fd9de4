import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Sandbox } from "@warren/sdk";
import { answer, startSandbox } from "../measure/first-output.ts";
import { megabytes, milliseconds, times } from "../measure/format.ts";
import { writtenBytes } from "../measure/processes.ts";
import type { Figure } from "../measure/report.ts";
import type { BenchStack } from "../measure/stack.ts";
import { median } from "../measure/statistics.ts";
import { timed } from "../measure/timing.ts";
import { againstColdBoot } from "./starts.ts";

const run = promisify(execFile);

const CYCLES = 10;
const BIG_PAUSES = 3;
const DIRTIED_BYTES = 200 * 1024 * 1024;
const PAGE_SIZE = 4096;

interface Pause {
  /** Milliseconds of the whole call. */
  ms: number;
  stoppedMs: number;
  dirtyBytes: number;
  /** Bytes that the host agent sent to the disk. */
  writtenBytes: number;
}

/** Pauses of a sandbox that does nothing, and its resumption. */
export async function idleCycles(stack: BenchStack, coldBootMs: number): Promise<Figure[]> {
  const { sandbox } = await startSandbox(stack);
  const pauses: Pause[] = [];
  const resumes: number[] = [];
  while (pauses.length < CYCLES) {
    pauses.push(await pause(stack, sandbox));
    const { ms } = await timed(async () => {
      await sandbox.resume();
      await answer(sandbox);
    });
    resumes.push(ms);
  }
  await sandbox.destroy();
  const stopped = median(pauses.map(({ stoppedMs }) => stoppedMs));
  const whole = median(pauses.map(({ ms }) => ms));
  const dirty = median(pauses.map(({ dirtyBytes }) => dirtyBytes));
  return [
    {
      name: "pause of an idle sandbox: vCPUs stand still",
      value: milliseconds(stopped),
      against: `${megabytes(dirty)} dirty`,
      goal: "≤ 30 ms",
      met: stopped <= 30,
    },
    { name: "pause of an idle sandbox: whole call", value: milliseconds(whole), goal: "≤ 250 ms", met: whole <= 250 },
    writeAmplification("bytes written by a pause of an idle sandbox", pauses),
    againstColdBoot("resume → first command's output", median(resumes), coldBootMs, 0.15),
  ];
}

/** Pauses of a sandbox whose guest has just filled memory, against a copy of as many bytes to the same disk. */
export async function bigPauses(stack: BenchStack): Promise<Figure[]> {
  const { sandbox } = await startSandbox(stack);
  const source = join(stack.directory, "bytes-to-copy");
  await run("dd", ["if=/dev/urandom", `of=${source}`, "bs=1M", `count=${DIRTIED_BYTES / 1024 ** 2}`]);
  const pauses: Pause[] = [];
  const copies: number[] = [];
  while (pauses.length < BIG_PAUSES) {
    await fillMemory(sandbox);
    pauses.push(await pause(stack, sandbox));
    copies.push(await copyDurably(source, join(stack.directory, "copied-bytes")));
    await sandbox.resume();
  }
  await sandbox.destroy();
  await rm(source);
  const rate = DIRTIED_BYTES / 1e3 / median(pauses.map(({ ms }) => ms));
  const copyRate = DIRTIED_BYTES / 1e3 / median(copies);
  const ratio = rate / copyRate;
  return [
    {
      name: "pause with 200 MiB freshly dirtied",
      value: `${rate.toFixed(0)} MB/s`,
      against: `${copyRate.toFixed(0)} MB/s by dd with fsync to the same disk: ${times(ratio)}`,
      goal: "≥ 0.7x",
      met: ratio >= 0.7,
    },
    writeAmplification("bytes written by a pause with 200 MiB dirtied", pauses),
  ];
}

async function pause(stack: BenchStack, sandbox: Sandbox): Promise<Pause> {
  const agent = await stack.hostAgentPid();
  const copied = stack.nextCopy(sandbox.id);
  const before = writtenBytes(agent);
  const { ms } = await timed(() => sandbox.pause());
  const { stoppedMs, dirtyPages } = await copied;
  return { ms, stoppedMs, dirtyBytes: dirtyPages * PAGE_SIZE, writtenBytes: writtenBytes(agent) - before };
}

/** Fills a file that lies in the guest's memory with bytes that cannot be zero pages. */
async function fillMemory(sandbox: Sandbox): Promise<void> {
  const size = ["bs=1M", `count=${DIRTIED_BYTES / 1024 ** 2}`];
  const { exitCode, stderr } = await sandbox.exec("dd", ["if=/dev/urandom", "of=/dev/shm/filling", ...size]);
  if (exitCode !== 0) throw new Error(stderr);
}

/** Milliseconds that dd takes to copy a file to the disk, its fsync included. */
async function copyDurably(source: string, target: string): Promise<number> {
  const { ms } = await timed(() => run("dd", [`if=${source}`, `of=${target}`, "bs=4M", "conv=fsync"]));
  await rm(target);
  return ms;
}

function writeAmplification(name: string, pauses: readonly Pause[]): Figure {
  const ratio = median(pauses.map((each) => each.writtenBytes / each.dirtyBytes));
  return {
    name,
    value: megabytes(median(pauses.map((each) => each.writtenBytes))),
    against: `${megabytes(median(pauses.map(({ dirtyBytes }) => dirtyBytes)))} of dirty pages: ${times(ratio)}`,
    goal: "≤ 1.1x",
    met: ratio <= 1.1,
  };
}
