import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, readFile, rename, writeFile } from "node:fs/promises";
import { readQemuVersion } from "./version.ts";

/** Whether microVMs can run on KVM here, and why or why not. */
export interface KvmVerdict {
  usable: boolean;
  /** A sentence for the operator, and for whoever administers the platform. */
  reason: string;
  /** What a kernel that did not get to its end printed last, for the log: consoles that print beside each other mix their letters. */
  printed: string;
}

export interface KvmProbeOptions {
  /** Program of QEMU; by default that in PATH. */
  binary?: string;
  /** Its version, where that is known already. */
  version?: string;
  /** The kernel that microVMs boot. */
  kernel: string;
  /** Release of that kernel, part of what a verdict is kept for. */
  kernelRelease: string;
  /** File that keeps the verdict until the host boots again, or QEMU or the kernel is another one. */
  verdictFile: string;
  /** Device of KVM. */
  device?: string;
  /** Milliseconds to the first output of the kernel, and to its end. */
  limits?: { firstOutput: number; end: number };
}

/** A kernel on KVM prints within tens of milliseconds and ends within a second, on nested emulation within 15. */
const LIMITS = { firstOutput: 5_000, end: 20_000 };
/** Milliseconds for the kernel of the host to end a killed QEMU. */
const KILL_LIMIT = 5_000;
/** Without a root file system the kernel gets as far as this, once its timers, interrupts and initcalls work. */
const REACHED = "Kernel panic - not syncing: VFS: Unable to mount root fs";
const LAST_LINES = 3;

interface KeptVerdict extends KvmVerdict {
  key: string;
}

/**
 * Boots a kernel on KVM and sees whether it gets to its end. That the device exists proves nothing: on some hypervisors
 * its guests hang or QEMU aborts. The verdict is kept for as long as the host is not booted anew.
 */
export async function probeKvm(options: KvmProbeOptions): Promise<KvmVerdict> {
  const device = options.device ?? "/dev/kvm";
  const binary = options.binary ?? "qemu-system-x86_64";
  try {
    await access(device, constants.R_OK | constants.W_OK);
  } catch (error) {
    return {
      usable: false,
      reason: `${device} cannot be opened: ${(error as NodeJS.ErrnoException).code}`,
      printed: "",
    };
  }
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  const version = options.version ?? (await readQemuVersion(binary)).text;
  const key = [bootId, version, options.kernelRelease].join(" ");
  const kept = await readVerdict(options.verdictFile);
  if (kept?.key === key) return { usable: kept.usable, reason: kept.reason, printed: kept.printed };
  const verdict = await boot(binary, options.kernel, options.limits ?? LIMITS);
  const temporary = `${options.verdictFile}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify({ key, ...verdict } satisfies KeptVerdict)}\n`);
  await rename(temporary, options.verdictFile);
  return verdict;
}

/** The kept verdict; undefined when there is none, or nothing that can be read as one. */
async function readVerdict(path: string): Promise<KeptVerdict | undefined> {
  try {
    const value = JSON.parse(await readFile(path, "utf8")) as Partial<KeptVerdict> | null;
    const { key, usable, reason, printed } = value ?? {};
    if ([key, reason, printed].some((text) => typeof text !== "string") || typeof usable !== "boolean")
      return undefined;
    return value as KeptVerdict;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function boot(binary: string, kernel: string, limits: { firstOutput: number; end: number }): Promise<KvmVerdict> {
  const child = spawn(
    binary,
    [
      ...[
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-accel",
        "kvm",
        "-cpu",
        "host",
        "-m",
        "128M",
      ],
      ...["-machine", "microvm,pit=on,pic=on,rtc=on,acpi=on", "-serial", "stdio", "-kernel", kernel],
      ...["-append", "console=ttyS0 earlyprintk=ttyS0 reboot=t panic=-1"],
    ],
    { stdio: ["ignore", "pipe", "pipe"], cwd: "/" },
  );
  const { promise, resolve } = Promise.withResolvers<KvmVerdict>();
  const no = (reason: string): void =>
    resolve({
      usable: false,
      reason: `KVM is there but does not work: ${reason}`,
      printed: lastLines(output, LAST_LINES).join("\n"),
    });
  let output = "";
  let errors = "";
  const silence = setTimeout(
    () => no(`a kernel that was started on it printed nothing in ${limits.firstOutput / 1000} s`),
    limits.firstOutput,
  );
  const overall = setTimeout(
    () => no(`a kernel that was started on it did not come to its end in ${limits.end / 1000} s`),
    limits.end,
  );
  child.stdout.on("data", (chunk: Buffer) => {
    clearTimeout(silence);
    output = (output + chunk.toString("latin1")).slice(-65_536);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString("latin1")).slice(-4096);
  });
  child.once("error", (error) => no(`QEMU could not be started: ${error.message}`));
  child.once("close", (code, signal) => {
    if (code === 0 && output.includes(REACHED))
      resolve({ usable: true, reason: "a kernel has booted on KVM", printed: "" });
    else no(`QEMU ended with ${signal ?? `status ${code}`} and said ${quoteLast(errors)}`);
  });
  try {
    return await promise;
  } finally {
    clearTimeout(silence);
    clearTimeout(overall);
    await end(child);
  }
}

/** Kills QEMU and waits for its end, which a KVM that hangs may delay for ever. */
async function end(child: ReturnType<typeof spawn>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const limit = setTimeout(resolve, KILL_LIMIT);
  child.once("exit", () => resolve());
  child.kill("SIGKILL");
  await promise;
  clearTimeout(limit);
  child.unref();
}

/** The last line of what QEMU said, which names what it failed of. */
function quoteLast(text: string): string {
  const [line = ""] = lastLines(text, 1);
  return line === "" ? "nothing" : JSON.stringify(line);
}

function lastLines(text: string, count: number): string[] {
  return text.trim().split(/\r?\n/).slice(-count);
}
