import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../linux/testing/temporary-folder.ts";
import { type KvmProbeOptions, probeKvm } from "./kvm-probe.ts";

const REACHED = "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)";
/** Long enough for a shell to start on a busy machine. */
const PATIENT = { firstOutput: 20_000, end: 30_000 };

/**
 * A host on which QEMU does what `script` says. The device is a plain file that can be opened, and each start of a guest
 * is noted down.
 */
function host(script: string, version = "7.2.22") {
  const folder = temporaryFolder();
  const binary = join(folder, "qemu");
  const starts = join(folder, "starts");
  const device = join(folder, "kvm");
  const lines = [
    "#!/bin/sh",
    `if [ "$1" = --version ]; then echo "QEMU emulator version ${version}"; exit; fi`,
    `echo start >>${starts}`,
    script,
  ];
  writeFileSync(binary, lines.join("\n"));
  chmodSync(binary, 0o755);
  writeFileSync(device, "");
  const verdictFile = join(folder, "verdict.json");
  const options: KvmProbeOptions = {
    binary,
    kernel: "vmlinuz",
    kernelRelease: "6.1.0",
    verdictFile,
    device,
    limits: PATIENT,
  };
  return { options, starts: () => (existsSync(starts) ? readFileSync(starts, "utf8").split("\n").length - 1 : 0) };
}

test("a kernel that gets to its end makes KVM usable", async () => {
  const { options } = host(`echo "Linux version 6.1.0"; echo "${REACHED}"`);
  expect(await probeKvm(options)).toMatchObject({ usable: true, reason: "a kernel has booted on KVM" });
});

test("a QEMU that fails makes it unusable, and says why", async () => {
  const { options } = host('echo "warning: old" >&2; echo "failed to set MSR 0x10a" >&2; exit 134');
  expect(await probeKvm(options)).toEqual({
    usable: false,
    reason: 'KVM is there but does not work: QEMU ended with status 134 and said "failed to set MSR 0x10a"',
    printed: "",
  });
});

test("a clean end without the kernel's last words is not enough", async () => {
  const { options } = host('echo "Linux version 6.1.0"');
  expect(await probeKvm(options)).toMatchObject({ usable: false });
});

test("a guest that prints nothing is given up", async () => {
  const { options } = host("exec sleep 1000");
  const verdict = await probeKvm({ ...options, limits: { firstOutput: 50, end: 30_000 } });
  expect(verdict).toMatchObject({ usable: false, reason: expect.stringContaining("printed nothing in 0.05 s") });
});

test("a guest that hangs half way is given up; what it printed stands beside the reason, which is a sentence", async () => {
  const { options } = host('echo "PPrroobbiinngg  EEDDDD"; exec sleep 1000');
  const verdict = await probeKvm({ ...options, limits: { firstOutput: 20_000, end: 1_000 } });
  expect(verdict).toEqual({
    usable: false,
    reason: "KVM is there but does not work: a kernel that was started on it did not come to its end in 1 s",
    printed: "PPrroobbiinngg  EEDDDD",
  });
  expect(await probeKvm(options)).toEqual(verdict);
});

test("a device that is not there is no KVM, and no guest is started", async () => {
  const { options, starts } = host("exit 0");
  const verdict = await probeKvm({ ...options, device: "/dev/none" });
  expect(verdict).toEqual({ usable: false, reason: "/dev/none cannot be opened: ENOENT", printed: "" });
  expect(starts()).toBe(0);
});

test("a verdict is kept for the same kernel and QEMU, and made anew for others", async () => {
  const { options, starts } = host("exit 1");
  const first = await probeKvm(options);
  expect(await probeKvm(options)).toEqual(first);
  expect(starts()).toBe(1);
  await probeKvm({ ...options, kernelRelease: "6.2.0" });
  expect(starts()).toBe(2);
  const other = host(`echo "${REACHED}"`, "10.0.13");
  expect(await probeKvm({ ...other.options, verdictFile: options.verdictFile })).toMatchObject({ usable: true });
});

test.each(["", "{", "[]", '{"key":1}', '"text"', "null"])(
  "a kept verdict that reads %j is made anew",
  async (content) => {
    const { options, starts } = host("exit 1");
    writeFileSync(options.verdictFile, content);
    expect(await probeKvm(options)).toMatchObject({ usable: false });
    expect(starts()).toBe(1);
  },
);
