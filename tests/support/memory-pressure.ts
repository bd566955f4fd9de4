import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";

const MIB = 1024 * 1024;
/** Memory of the control group, and size of the file that a process in it reads over and over. */
const LIMIT = 48 * MIB;
const FILE = 200 * MIB;

const READER = `
import mmap, sys
with open(sys.argv[1], "wb") as f: f.truncate(${FILE})
with open(sys.argv[1], "r+b") as f:
    for _ in range(${FILE / MIB}): f.write(bytes(${MIB}))
    f.flush()
    m = mmap.mmap(f.fileno(), 0)
    while True:
        for i in range(0, len(m), 4096): m[i]
`;

/** Keeps a process waiting for memory, in a control group of its own, until the result is called. */
export async function causeMemoryPressure(): Promise<() => Promise<void>> {
  const isV2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
  const group = join(isV2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory", `warren-test-${process.pid}`);
  mkdirSync(group);
  writeFileSync(join(group, isV2 ? "memory.max" : "memory.limit_in_bytes"), String(LIMIT));
  // On a disk, not in memory: what is read must have been given up before.
  const directory = await mkdtemp("/var/tmp/warren-test-");
  const script = `echo $$ >"$0/cgroup.procs" && exec python3 -c "$1" "$2"`;
  const child = spawn("sh", ["-c", script, group, READER, join(directory, "file")], { stdio: "inherit" });
  const closed = once(child, "close");
  return async () => {
    child.kill("SIGKILL");
    await closed;
    rmdirSync(group);
    await rm(directory, { recursive: true, force: true });
  };
}
