import { runHostAgentTask } from "./programs.ts";
import { ServerError } from "./server-process.ts";

/** Sandboxes of a data directory that have no server, by their status. */
export async function countSandboxes(dataDir: string): Promise<Record<string, number>> {
  const lines: string[] = [];
  const task = { stderr: "capture", onLine: (line: string) => lines.push(line) } as const;
  const { status, stderr } = await runHostAgentTask(["count", "--data-dir", dataDir], task);
  if (status !== 0) throw new ServerError(`The sandboxes in ${dataDir} could not be counted:\n${stderr.trim()}`);
  return JSON.parse(lines.join("\n"));
}

/** Ends the sandboxes of a data directory that has no server, and removes all they held; the next server tells their owners. */
export async function endSandboxes(dataDir: string): Promise<void> {
  const { status, stderr } = await runHostAgentTask(["sweep", "--data-dir", dataDir, "--tell"], { stderr: "capture" });
  if (status !== 0) throw new ServerError(`The sandboxes in ${dataDir} could not be ended:\n${stderr.trim()}`);
}

/** Such as "2 running, 1 paused"; empty when there are none. */
export function describeCounts(counts: Record<string, number>): string {
  return Object.entries(counts)
    .map(([status, count]) => `${count} ${status}`)
    .join(", ");
}
