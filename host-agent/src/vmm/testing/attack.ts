import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import koffi from "koffi";
import { punchHole } from "../../linux/file-ranges.ts";
import { pidfdOpen } from "../../linux/processes.ts";

const libc = koffi.load(null);
const syscall = libc.func("long syscall(long number, ...)");
const mmap = libc.func("void *mmap(void *address, size_t length, int protection, int flags, int fd, int64 offset)");
const munmap = libc.func("int munmap(void *address, size_t length)");
const SYS_PIDFD_GETFD = 438;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;
const PAGE = 4096;

/** The regular files that a process has open. */
export function openFiles(pid: number): { fd: number; path: string }[] {
  return readdirSync(`/proc/${pid}/fd`)
    .map((fd) => ({ fd: Number(fd), path: readlinkSync(`/proc/${pid}/fd/${fd}`) }))
    .filter(({ fd }) => statSync(`/proc/${pid}/fd/${fd}`).isFile());
}

/** Those that it can write with a descriptor that it holds. */
export function writableFiles(pid: number): { fd: number; path: string }[] {
  return openFiles(pid).filter(({ fd }) => attacksThatWork(pid, fd).includes("write"));
}

/**
 * Ways to change a file that a process could take with a descriptor that it holds, by doing so with a copy of the
 * descriptor (pidfd_getfd(2)), and with one opened anew from it as root where the file is in memory. Each writes what is
 * there already.
 */
export function attacksThatWork(pid: number, fd: number): string[] {
  const pidfd = pidfdOpen(pid)!;
  const taken = Number(syscall(SYS_PIDFD_GETFD, "int", pidfd, "int", fd, "unsigned int", 0));
  closeSync(pidfd);
  if (taken < 0) throw new Error(`pidfd_getfd: errno ${koffi.errno()}`);
  const inMemory = readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith("/memfd:");
  const anew = inMemory ? openSync(`/proc/${pid}/fd/${fd}`, "r+") : undefined;
  try {
    return [...attacks(taken), ...(anew === undefined ? [] : attacks(anew).map((name) => `${name}, opened anew`))];
  } finally {
    closeSync(taken);
    if (anew !== undefined) closeSync(anew);
  }
}

function attacks(fd: number): string[] {
  const { size } = fstatSync(fd);
  const page = Buffer.alloc(PAGE);
  readSync(fd, page, 0, PAGE, 0);
  const ways: Record<string, () => unknown> = {
    write: () => writeSync(fd, page, 0, PAGE, 0),
    "map for writing": () => {
      const address = BigInt(mmap(null, PAGE, PROT_READ_WRITE, MAP_SHARED, fd, 0));
      if (address === MAP_FAILED) throw new Error(`mmap: errno ${koffi.errno()}`);
      munmap(address, PAGE);
    },
    "punch a hole": () => punchHole(fd, Math.ceil(size / PAGE) * PAGE, PAGE),
    grow: () => {
      ftruncateSync(fd, size + PAGE);
      ftruncateSync(fd, size);
    },
  };
  return Object.entries(ways).flatMap(([name, attempt]) => {
    try {
      attempt();
      return [name];
    } catch {
      return [];
    }
  });
}
