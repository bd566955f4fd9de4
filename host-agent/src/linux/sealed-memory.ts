import { closeSync, fchmodSync, ftruncateSync } from "node:fs";
import koffi from "koffi";

/** How /proc shows a file in memory: this, its name, and " (deleted)". */
export const SEALED_PREFIX = "/memfd:";

const libc = koffi.load(null);
const memfdCreate = libc.func("int memfd_create(const char *name, unsigned int flags)");
const fcntl = libc.func("int fcntl(int fd, int command, ...)");

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;
const F_SEAL_GROW = 4;
const F_SEAL_WRITE = 8;
const SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

/**
 * A file in memory that has been filled and that from then on nobody can change, not even root with a descriptor that was
 * opened for writing (memfd_create(2), "File sealing" in fcntl(2)). It can still be mapped copy-on-write. The caller closes
 * the descriptor; the memory is freed with the last descriptor and mapping.
 */
export async function createSealedMemory(
  name: string,
  size: number,
  fill: (fd: number) => Promise<void>,
): Promise<number> {
  const fd = memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) throw new Error(`memfd_create: errno ${koffi.errno()}`);
  try {
    ftruncateSync(fd, size);
    await fill(fd);
    fchmodSync(fd, 0o400);
    if (fcntl(fd, F_ADD_SEALS, "int", SEALS) !== 0) throw new Error(`F_ADD_SEALS: errno ${koffi.errno()}`);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Whether nobody can change a file any more. */
export function isSealed(fd: number): boolean {
  const seals = fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & SEALS) === SEALS;
}
