import { spawn } from "node:child_process";
import { once } from "node:events";

/**
 * Takes the exclusive lock of an open file, for which it waits so many seconds, or as long as it takes; false when another
 * process still has it. flock(1) locks the open file that it shares with this process, so the lock stays when it exits.
 */
export async function lockOpenFile(fd: number, seconds?: number): Promise<boolean> {
  const limit = seconds === undefined ? [] : ["--timeout", String(seconds)];
  const flock = spawn("flock", ["--exclusive", ...limit, "3"], { stdio: ["ignore", "ignore", "pipe", fd] });
  let said = "";
  flock.stderr!.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const [status] = await once(flock, "close");
  if (status === 0 || (status === 1 && seconds !== undefined)) return status === 0;
  throw new Error(`flock failed with status ${status}: ${said.trim()}`);
}
