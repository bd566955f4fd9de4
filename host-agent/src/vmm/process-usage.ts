import { readFileSync } from "node:fs";
import type { Cgroup } from "../cgroup/cgroup.ts";
import { processorTime } from "../linux/process-identity.ts";
import { PAGE_SIZE } from "../memory/pages.ts";
import type { VmUsage } from "./vmm.ts";

/**
 * What the process of a microVM has used: processor time by its control group, or where that counts none by the process,
 * which the kernel rounds to hundredths of a second there. Never less than it was before.
 */
export class ProcessUsage {
  readonly #pid: number;
  readonly #cgroup: Cgroup | undefined;
  #cpuMicroseconds = 0;
  #hasEnded = false;

  constructor(pid: number, cgroup?: Cgroup) {
    this.#pid = pid;
    this.#cgroup = cgroup;
  }

  async read(): Promise<VmUsage> {
    if (this.#hasEnded) return { cpuMicroseconds: this.#cpuMicroseconds, memoryBytes: 0 };
    const counted = (await this.#cgroup?.usage())?.cpuMicroseconds;
    const used = counted === undefined ? (processorTime(this.#pid) ?? 0) * 1000 : Number(counted);
    this.#cpuMicroseconds = Math.max(this.#cpuMicroseconds, used);
    return { cpuMicroseconds: this.#cpuMicroseconds, memoryBytes: residentBytes(this.#pid) };
  }

  /** The process has ended: what its id tells from here on may be another's. */
  close(): void {
    this.#hasEnded = true;
  }
}

/** Bytes of memory that a process has, the second field of /proc/PID/statm (proc(5)); 0 when it is gone. */
function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]) * PAGE_SIZE;
  } catch {
    return 0;
  }
}
