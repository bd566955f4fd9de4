import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ensureImages } from "./ensure.ts";
import type { BootImages } from "./images.ts";
import { bootGuest, type TestGuest } from "./testing/boot.ts";

/** Shared by all tests that boot microVMs, and by runs of them: images are built when they are missing or out of date. */
const DIRECTORY = resolve(process.env.WARREN_TEST_IMAGES ?? "/var/lib/warren/images");
const SOURCE_ROOT = resolve(import.meta.dirname, "../../..");

/** What programs, and clients of sandboxes, take for granted of a root file system. */
const EXPECTED: [script: string, user: string, output: string][] = [
  ["id", "user", "uid=1000(user) gid=1000(user) groups=1000(user),27(sudo)\n"],
  ["echo $HOME $SHELL; pwd; stat -c '%U:%G' .", "user", "/home/user /bin/bash\n/home/user\nuser:user\n"],
  ["sudo -n id -un", "user", "root\n"],
  ["echo ~", "root", "/root\n"],
  ["echo $PATH", "user", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"],
  [
    "python --version | cut -d. -f1; python3 -c 'import http.server, ssl, sqlite3, venv; print(ssl.create_default_context().cert_store_stats()[\"x509_ca\"] > 50)'",
    "user",
    "Python 3\nTrue\n",
  ],
  ["python3 -m pip --version | cut -d' ' -f1", "user", "pip\n"],
  ["git --version | cut -d' ' -f1; test -x $(git --exec-path)/git-daemon && echo daemon", "user", "git\ndaemon\n"],
  ["TERM=xterm-256color tput colors", "user", "256\n"],
  [
    "command -v curl ss pgrep ps grep tar less gzip",
    "user",
    "/usr/bin/curl\n/usr/bin/ss\n/usr/bin/pgrep\n/usr/bin/ps\n/usr/bin/grep\n/usr/bin/tar\n/usr/bin/less\n/usr/bin/gzip\n",
  ],
  [
    "stat -c '%a %U' /code /usr/local/bin; touch /code/a /usr/local/bin/b && echo written",
    "user",
    "777 user\n777 root\nwritten\n",
  ],
  [
    'touch a && python3 -c \'import os; os.setxattr("a", "user.note", b"kept"); print(os.getxattr("a", "user.note"))\'',
    "user",
    "b'kept'\n",
  ],
  [
    "getent hosts localhost; getent hosts $(hostname) | cut -d' ' -f1",
    "user",
    "::1             localhost ip6-localhost ip6-loopback\n127.0.1.1\n",
  ],
  ["locale charmap 2>/dev/null || echo $LANG", "user", "UTF-8\n"],
  [
    "test ! -s /etc/machine-id && test ! -e /etc/apt/apt.conf.d/99mmdebstrap && dpkg --audit && echo clean",
    "root",
    "clean\n",
  ],
  ["ls /usr/share/man /usr/share/doc/bash", "root", "/usr/share/doc/bash:\ncopyright\n\n/usr/share/man:\n"],
  ["python3 -v -c 'import json' 2>&1 | grep -c ' matches .*/json/__init__.py'", "user", "1\n"],
  ["test $(df --output=avail -B1M / | tail -1) -gt 3400 && echo roomy", "user", "roomy\n"],
];

let images: BootImages;
beforeAll(async () => {
  const progress = (step: string, detail?: string) => console.log(`${step}: ${detail ?? ""}`);
  images = await ensureImages({ directory: DIRECTORY, sourceRoot: SOURCE_ROOT, withNode: false, progress });
});

test("images that stand are found again without building", async () => {
  const steps: string[] = [];
  const again = await ensureImages({
    directory: DIRECTORY,
    sourceRoot: SOURCE_ROOT,
    withNode: false,
    progress: (step) => steps.push(step),
  });
  expect(again).toEqual(images);
  expect(steps).toEqual([]);
  expect((await stat(images.base.path)).size).toBe(images.base.virtualSize);
  expect(images.vmlinuz.startsWith(join(DIRECTORY, "kernel-"))).toBe(true);
});

test("a microVM boots from the uncompressed kernel, and its root file system has what clients expect", async () => {
  const guest = await bootGuest({ kernel: images.vmlinux, initramfs: images.initramfs, disk: images.base.path });
  const { output } = await guest.run("uname -r", "root");
  expect(output).toBe(`${images.kernelRelease}\n`);
  await expectAll(guest);
  const modules = await guest.run("cut -d' ' -f1 /proc/modules", "root");
  expect(modules.output.split("\n")).toEqual(expect.arrayContaining(["virtio_blk", "virtio_net", "virtio_rng"]));
});

test("a microVM boots from the kernel as the distribution ships it", async () => {
  const guest = await bootGuest({ kernel: images.vmlinuz, initramfs: images.initramfs, disk: images.base.path });
  expect(await guest.run("cat /proc/1/comm", "root")).toMatchObject({ exitCode: 0 });
});

async function expectAll(guest: TestGuest): Promise<void> {
  const results = [];
  for (const [script, user] of EXPECTED) results.push([script, user, (await guest.run(script, user)).output]);
  expect(results).toEqual(EXPECTED);
}
