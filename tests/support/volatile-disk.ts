import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, open, readdir, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, vi } from "vitest";

const run = promisify(execFile);

/**
 * Nothing but what was synced is sure to survive: the journal is committed only when somebody asks for it (300 s), and
 * files that replace others by rename(2) are not written out on their own (ext4(5), noauto_da_alloc).
 */
const MOUNT_OPTIONS = "loop,commit=300,noauto_da_alloc";

/** Beginning of the names of files that only take space. */
const FILLER = "filler-";

const UNMOUNT_LIMIT_MS = 30_000;

/** An ext4 file system whose power can be cut: what was not synced by then is lost, as on a real disk. */
export class VolatileDisk {
  /** Where it is mounted. */
  readonly directory: string;
  readonly #scratch: string;
  readonly #device: string;
  /** Number of the block device, as the kernel names it in tables of mounts. */
  #number = "";
  #fillers = 0;

  private constructor(scratch: string) {
    this.#scratch = scratch;
    this.#device = join(scratch, "device");
    this.directory = join(scratch, "mounted");
  }

  /** Makes and mounts one of `bytes`. */
  static async make(bytes: number): Promise<VolatileDisk> {
    const disk = new VolatileDisk(await mkdtemp(join(tmpdir(), "warren-disk-")));
    const file = await open(disk.#device, "w");
    await file.truncate(bytes);
    await file.close();
    await run("mkfs.ext4", ["-q", "-F", disk.#device]);
    await mkdir(disk.directory);
    await disk.#mount();
    return disk;
  }

  /** Makes all that was written so far survive. */
  async sync(): Promise<void> {
    await run("sync", ["--file-system", this.directory]);
  }

  /** Cuts the power: from now on every access fails. The log is not flushed (EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH). */
  async cutPower(): Promise<void> {
    await run("xfs_io", ["-x", "-c", "shutdown", this.directory]);
  }

  /**
   * Brings back what survived, once no process has a file of it open, or a mount of it: one that was killed takes a moment to
   * end.
   */
  async restorePower(): Promise<void> {
    await vi.waitFor(() => run("umount", [this.directory]), { timeout: UNMOUNT_LIMIT_MS });
    await vi.waitFor(async () => expect((await this.#loopDevices()).trim()).toBe(""), { timeout: UNMOUNT_LIMIT_MS });
    await this.#mount();
  }

  /** Processes of a program that see the disk in a mount namespace of their own. */
  seenBy(program: string): number[] {
    const isSeen = (line: string) => line.split(" ")[2] === this.#number;
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          if (readFileSync(`/proc/${pid}/comm`, "utf8").trim() !== program) return false;
          return readFileSync(`/proc/${pid}/mountinfo`, "utf8").split("\n").some(isSeen);
        } catch {
          // It has ended meanwhile.
          return false;
        }
      })
      .map(Number);
  }

  /**
   * Takes the space that is free for anyone but root, but for `rest` bytes; without `rest`, root's as well. What others give
   * back meanwhile stays theirs.
   */
  async fill(rest?: number): Promise<void> {
    const { bavail, bfree, bsize } = await statfs(this.directory);
    let piece = rest === undefined ? bfree * bsize : bavail * bsize - rest;
    let left = piece;
    for (let index = 0; piece >= 4096 && left >= piece; index++) {
      const file = join(this.directory, `${FILLER}${this.#fillers + index}`);
      const taken = await run("fallocate", ["-l", String(Math.floor(piece)), file]).catch(() => undefined);
      if (taken && rest !== undefined) break;
      if (taken) left -= piece;
      piece /= 2;
    }
    this.#fillers += 100;
  }

  /** Gives back what `fill` took. */
  async empty(): Promise<void> {
    const names = await readdir(this.directory);
    await Promise.all(names.filter((name) => name.startsWith(FILLER)).map((name) => rm(join(this.directory, name))));
  }

  async dispose(): Promise<void> {
    await run("umount", ["--lazy", this.directory]);
    await rm(this.#scratch, { recursive: true });
  }

  async #mount(): Promise<void> {
    await run("mount", ["-o", MOUNT_OPTIONS, this.#device, this.directory]);
    this.#number = (await run("mountpoint", ["--fs-devno", this.directory])).stdout.trim();
  }

  /** Those that the file is behind: none once no mount of it is left, in whichever namespace. */
  async #loopDevices(): Promise<string> {
    return (await run("losetup", ["--associated", this.#device])).stdout;
  }
}
