import { readdirSync, readFileSync, statSync } from "node:fs";

/** Clock ticks per second of /proc/PID/stat (USER_HZ, 100 on every architecture that Linux has kept). */
const TICKS_PER_SECOND = 100;

/** Proportional set size of a process, in bytes: memory shared with n others counts 1/n (proc(5), smaps_rollup). */
export function proportionalMemory(pid: number): number {
  return sumOfPss(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
}

/**
 * The part of it that is mappings of a file, or of memory that has only a
 * name, which the kernel writes as `/memfd:NAME (deleted)`.
 */
export function proportionalMemoryOfFile(pid: number, path: string): number {
  const inode = path.startsWith("/memfd:") ? undefined : statSync(path).ino;
  const mappings = readFileSync(`/proc/${pid}/smaps`, "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const ofFile = mappings.filter((mapping) => {
    // address, permissions, offset, device, inode, path (proc(5), maps)
    const [head = ""] = mapping.split("\n", 1);
    const fields = head.split(/ +/);
    return inode === undefined ? fields[5] === path : Number(fields[4]) === inode;
  });
  return sumOfPss(ofFile.join(""));
}

/** A process and all that descend from it. */
export function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(processTree)];
}

/** Seconds of processor time that a process has used. */
export function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Cores that a process uses during some work. */
export async function processorShare(pid: number, work: () => Promise<unknown>): Promise<number> {
  const [seconds, begin] = [processorSeconds(pid), performance.now()];
  await work();
  return (processorSeconds(pid) - seconds) / ((performance.now() - begin) / 1000);
}

/** Bytes that a process has sent to disks (proc(5), io). */
export function writtenBytes(pid: number): number {
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
}

function sumOfPss(smaps: string): number {
  const sizes = [...smaps.matchAll(/^Pss:\s+(\d+) kB$/gm)].map(([, size]) => Number(size) * 1024);
  return sizes.reduce((sum, size) => sum + size, 0);
}
