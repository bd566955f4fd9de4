import { spawn } from "node:child_process";
import { type FileHandle, open } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";

/** Exit status of flock(1) when a lock is taken and waiting was not asked for. */
const TAKEN = 1;

/** An exclusive lock between processes (flock(2)); it ends with its holders, however they end. */
export class StoreLock {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Descriptor that carries the lock. A process that inherits it holds the lock too. */
  get fd(): number {
    return this.#file.fd;
  }

  /** Takes the lock of a file. While another process has it, calls `onWait` once and waits. */
  static async acquire(path: string, onWait: () => void): Promise<StoreLock> {
    const file = await open(path, "a", 0o644);
    try {
      if (!(await flock(file, ["--nonblock"]))) {
        onWait();
        await flock(file, []);
      }
      return new StoreLock(file);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Takes the lock of a file; undefined when another process has it. */
  static async tryAcquire(path: string): Promise<StoreLock | undefined> {
    const file = await open(path, "a", 0o644);
    let taken = false;
    try {
      taken = await flock(file, ["--nonblock"]);
      return taken ? new StoreLock(file) : undefined;
    } finally {
      if (!taken) await file.close();
    }
  }

  async release(): Promise<void> {
    await this.#file.close();
  }
}

/**
 * Locks an open file. A lock belongs to the open file description, so one that flock(1) takes on an inherited descriptor
 * stays with this process. A process of its own waits without blocking a thread of this one.
 */
async function flock(file: FileHandle, options: string[]): Promise<boolean> {
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", "flock", "--exclusive", ...options, "3"], {
    stdio: ["ignore", "ignore", "pipe", file.fd],
  });
  let complaint = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    complaint += text;
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (status === 0) return true;
  if (status === TAKEN && complaint === "") return false;
  throw new WarrenError("internal_error", `flock ended with status ${status}: ${complaint.trim()}`);
}
