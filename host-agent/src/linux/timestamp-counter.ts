import { setTimeout as sleep } from "node:timers/promises";
import { WarrenError } from "@warren/contracts/errors";
import koffi from "koffi";

/** Milliseconds between two readings: at some 100 ns of doubt in each, the frequency is right to a few millionths. */
const INTERVAL_MS = 100;
/** Attempts at a reading that nothing interrupted. */
const ATTEMPTS = 64;

/** `rdtsc; shl rdx, 32; or rax, rdx; ret`: Intel SDM volume 2, RDTSC. */
const READ_COUNTER = Buffer.from([0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0xc3]);
const COUNTER_FUNCTION = koffi.proto("uint64_t warren_read_counter(void)");
const PAGE = 4096;
const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_FAILED = 2n ** 64n - 1n;
const MAP_PRIVATE_ANONYMOUS = 0x22;

/**
 * Frequency of the host's time stamp counter in kHz, measured against the host's clock. TCG gives its guests the host's
 * counter as it is, and tells them no frequency; a guest that is told a wrong one has a clock that runs at a wrong speed.
 * The kernel knows the frequency but shows it nowhere for certain: the MHz of /proc/cpuinfo are those of the moment.
 */
export async function measureCounterKhz(): Promise<number> {
  const counter = counterReader();
  try {
    const first = reading(counter.read);
    await sleep(INTERVAL_MS);
    const second = reading(counter.read);
    // Ticks per nanosecond, times 10^6.
    return Math.round((Number(second.ticks - first.ticks) / Number(second.time - first.time)) * 1e6);
  } finally {
    counter.release();
  }
}

interface Reading {
  ticks: bigint;
  /** Nanoseconds of the monotonic clock, doubled: the sum of the times before and after. */
  time: bigint;
}

/** The counter and the clock at one moment: of several attempts that with the least time between its two clock readings. */
function reading(read: () => bigint): Reading {
  let best: (Reading & { doubt: bigint }) | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const before = process.hrtime.bigint();
    const ticks = read();
    const after = process.hrtime.bigint();
    if (best === undefined || after - before < best.doubt)
      best = { ticks: 2n * ticks, time: before + after, doubt: after - before };
  }
  return best as Reading;
}

/** JavaScript cannot reach the instruction, so a function of three instructions is put into memory of its own. */
function counterReader(): { read: () => bigint; release: () => void } {
  if (process.arch !== "x64") {
    throw new WarrenError("internal_error", `microVMs are of the x86-64 kind; this host agent runs on ${process.arch}`);
  }
  const libc = koffi.load(null);
  const mmap = libc.func("void *mmap(void *address, size_t length, int protection, int flags, int fd, long offset)");
  const mprotect = libc.func("int mprotect(void *address, size_t length, int protection)");
  const munmap = libc.func("int munmap(void *address, size_t length)");
  const page = mmap(null, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (koffi.address(page) === MAP_FAILED)
    throw new WarrenError("internal_error", "no memory to read the time stamp counter");
  new Uint8Array(koffi.view(page, PAGE)).set(READ_COUNTER);
  if (mprotect(page, PAGE, PROT_READ | PROT_EXEC) !== 0) {
    munmap(page, PAGE);
    throw new WarrenError("internal_error", "the time stamp counter cannot be read: no memory may be made executable");
  }
  return { read: () => BigInt(koffi.call(page, COUNTER_FUNCTION)), release: () => munmap(page, PAGE) };
}
