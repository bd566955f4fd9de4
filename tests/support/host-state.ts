import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** What a host agent keeps of a sandbox on disk. */
export interface RecordOnDisk {
  id: string;
  status: string;
  purpose: string;
  slot?: number;
  process?: { pid: number; startTicks: string };
  snapshot?: string;
}

/** Records of a data directory. A sandbox that is being made or removed at this moment may have none. */
export function readRecords(directory: string): RecordOnDisk[] {
  const root = join(directory, "sandboxes");
  return readdirSync(root).flatMap((name) => {
    try {
      return [JSON.parse(readFileSync(join(root, name, "sandbox.json"), "utf8")) as RecordOnDisk];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  });
}

/** Paths below a data directory that users other than the owner have any right to. */
export async function listOpenToOthers(directory: string): Promise<string[]> {
  const paths = await readdir(directory, { recursive: true });
  return paths.filter((path) => {
    const found = lstatSync(join(directory, path), { throwIfNoEntry: false });
    return found && !found.isSymbolicLink() && (found.mode & 0o077) !== 0;
  });
}

/** First words of the command lines of QEMU and of a microVM of the fake VMM. */
const VMM_PROGRAM = /^[^\0]*qemu-system|\0[^\0]*\/machine-process\.[jt]s\0/;

/** VMM processes that belong to a data directory, found by the disk layers in it that they hold open. */
export function vmmProcesses(directory: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        if (!VMM_PROGRAM.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"))) return false;
        return readdirSync(`/proc/${pid}/fd`).some((fd) => opens(`/proc/${pid}/fd/${fd}`, directory));
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Whether a link in /proc/PID/fd leads to a file below a directory. Descriptors come and go while they are listed. */
function opens(link: string, directory: string): boolean {
  try {
    return readlinkSync(link).startsWith(`${directory}/`);
  } catch {
    return false;
  }
}

/** Sends SIGKILL to a process, which may have ended already. */
export function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Numbers of the network slots that a data directory has claimed. */
export function claimedSlots(directory: string): number[] {
  const root = "/run/warren/slots";
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((name) => readFileSync(join(root, name), "utf8").includes(JSON.stringify(directory)))
    .map(Number)
    .sort((a, b) => a - b);
}

/** Names of the network namespaces of slots on this machine. */
export function slotNamespaces(): string[] {
  return execFileSync("ip", ["netns", "list"], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.split(" ")[0] ?? "")
    .filter((name) => name.startsWith("warren-ns-"));
}

/** Bytes of memory that a process holds by itself (RssAnon of /proc/PID/status). */
export function anonymousMemory(pid: number): number {
  const match = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(match?.[1] ?? 0) * 1024;
}
