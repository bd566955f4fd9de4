import { rm } from "node:fs/promises";
import { join } from "node:path";
import { DiskLayers } from "@warren/host-agent/disk/layers";
import { createQcow2Store } from "@warren/host-agent/disk/qcow2/store";
import { MemoryStore } from "@warren/host-agent/memory/store/store";
import { Journal } from "@warren/host-agent/sandboxes/record/journal";
import { SnapshotStore } from "@warren/host-agent/snapshots/store";
import { newSandboxId } from "@warren/server/sandbox-id";
import { HostAgent } from "../measure/host-agent.ts";
import { proportionalMemory } from "../measure/processes.ts";
import type { Figure } from "../measure/report.ts";
import { BenchStack } from "../measure/stack.ts";
import { timed } from "../measure/timing.ts";

const PAUSED = 1000;
const MARK = "kept in memory";

/**
 * A host agent with many paused sandboxes, and its memory for each. One sandbox is really paused; the others are copies of
 * its record and its snapshot, made by the agent's own stores while no agent runs, since a thousand pauses would take a
 * quarter of an hour. One of the copies is then resumed.
 */
export async function manyPaused(): Promise<Figure> {
  const { directory, id } = await pausedSandbox();
  try {
    const one = await agentMemory(directory);
    const copies = await copyPaused(directory, id, PAUSED - 1);
    const agent = await HostAgent.start(directory);
    try {
      const { sandboxes } = await agent.call<{ sandboxes: { status: string }[] }>("ListSandboxes", {});
      const paused = sandboxes.filter(({ status }) => status === "paused").length;
      if (paused !== PAUSED) throw new Error(`${paused} sandboxes are paused`);
      const each = (proportionalMemory(agent.pid) - one) / (PAUSED - 1);
      const resumeMs = await resume(agent, copies.at(-1)!);
      return {
        name: `${PAUSED} sandboxes paused on one host: host agent's memory for each (PSS)`,
        value: `${(each / 1e3).toFixed(1)} kB`,
        against: `one of them resumed and answering in ${resumeMs.toFixed(0)} ms`,
        goal: "≤ 50 kB",
        met: each <= 50e3,
      };
    } finally {
      await agent.stop();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A data directory with one paused sandbox, whose servers have ended. */
async function pausedSandbox(): Promise<{ directory: string; id: string }> {
  const stack = await BenchStack.start({ WARREN_WARM_POOL: "0" });
  try {
    const sandbox = await stack.warren.sandboxes.create({ memoryMb: 128 });
    await sandbox.exec("sh", ["-c", `echo '${MARK}' >/dev/shm/mark`]);
    await sandbox.pause();
    await stack.end();
    return { directory: stack.directory, id: sandbox.id };
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

async function agentMemory(directory: string): Promise<number> {
  const agent = await HostAgent.start(directory);
  await agent.call("ListSandboxes", {});
  const bytes = proportionalMemory(agent.pid);
  await agent.stop();
  return bytes;
}

/** Adds copies of a paused sandbox to a data directory that no host agent has open. Gives their ids. */
async function copyPaused(directory: string, id: string, count: number): Promise<string[]> {
  const disks = await DiskLayers.open(directory, createQcow2Store());
  const memory = await MemoryStore.open(join(directory, "memory"));
  const { store: snapshots } = await SnapshotStore.open(directory, memory, disks);
  const journal = new Journal(directory);
  const { records } = await journal.load();
  const original = records.find((record) => record.id === id);
  if (!original?.snapshot) throw new Error(`${id} is not paused`);
  const ids: string[] = [];
  while (ids.length < count) {
    const snapshot = await snapshots.duplicate(original.snapshot, snapshots.reserve().id);
    const copy = newSandboxId();
    await journal.create({ ...original, id: copy, instance: copy, snapshot: snapshot.id });
    ids.push(copy);
  }
  return ids;
}

/** Resumes a sandbox, reads what its memory kept, and destroys it. Gives the milliseconds of the first two. */
async function resume(agent: HostAgent, sandboxId: string): Promise<number> {
  try {
    const { ms, result } = await timed(async () => {
      await agent.call("ResumeSandbox", { sandboxId });
      const command = { cmd: "cat", args: ["/dev/shm/mark"] };
      return agent.call<{ stdout: string }>("Exec", { sandboxId, command });
    });
    const said = Buffer.from(result.stdout, "base64").toString();
    if (said !== `${MARK}\n`) throw new Error(`the resumed sandbox said ${JSON.stringify(said)}`);
    return ms;
  } finally {
    // A microVM outlives its host agent.
    await agent.call("DestroySandbox", { sandboxId });
  }
}
