import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { temporaryFolder } from "../linux/testing/temporary-folder.ts";
import { initramfs } from "./initramfs.ts";

test("holds the guest agent as /init, the modules in their order, and what the kernel needs before it starts /init", async () => {
  const modules = ["virtio_ring.ko", "virtio.ko"].map((file) => ({ file, data: Buffer.from(`module ${file}`) }));
  const archive = initramfs(Buffer.from("agent"), modules);
  const listing = execFileSync("cpio", ["--list", "--verbose", "--quiet"], { input: archive, encoding: "utf8" });
  const members = listing
    .trim()
    .split("\n")
    .map((line) => `${line.slice(0, 10)} ${line.slice(line.lastIndexOf(" ") + 1)}`);
  expect(members).toEqual([
    "drwxr-xr-x dev",
    "crw------- dev/console",
    "crw-rw-rw- dev/null",
    "-rwxr-xr-x init",
    "drwxr-xr-x modules",
    "-rw-r--r-- modules/order",
    "-rw-r--r-- modules/virtio.ko",
    "-rw-r--r-- modules/virtio_ring.ko",
    "drwxr-xr-x newroot",
    "drwxr-xr-x proc",
    "drwxr-xr-x sys",
  ]);
  const folder = temporaryFolder();
  execFileSync("cpio", ["--extract", "--quiet", "--make-directories", "modules/order", "init"], {
    input: archive,
    cwd: folder,
  });
  const read = (path: string) => execFileSync("cat", [path], { cwd: folder, encoding: "utf8" });
  expect(read("modules/order")).toBe("virtio_ring.ko\nvirtio.ko\n");
  expect(read("init")).toBe("agent");
});
