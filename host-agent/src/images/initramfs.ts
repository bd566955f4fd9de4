import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CpioEntry, cpioArchive } from "./cpio.ts";
import { buildGuestAgent, type GuestAgentSource } from "./guest-agent.ts";
import type { Progress } from "./images.ts";
import { KERNEL_FILES } from "./kernel.ts";
import type { ImageFolder, ImageRecipe } from "./store.ts";

/** To be raised when this file or the cpio writer makes something else of the same kernel and guest agent. */
const RECIPE_VERSION = "1";

/** File of an initramfs folder. */
export const INITRAMFS_FILE = "initramfs";

/** Makes the initramfs of a kernel: the guest agent as /init, and the kernel's modules. */
export function initramfsRecipe(
  kernel: ImageFolder,
  agent: GuestAgentSource,
  goVersion: string,
  progress: Progress,
): ImageRecipe {
  return {
    name: "initramfs",
    inputs: {
      recipe: RECIPE_VERSION,
      kernel: kernel.path.slice(kernel.path.lastIndexOf("/") + 1),
      agent: agent.hash,
      go: goVersion,
    },
    async build(folder, runTool) {
      progress("guest agent", `building with ${goVersion}`);
      const init = await buildGuestAgent(agent, folder, runTool);
      progress("initramfs", "packing");
      await writeFile(join(folder, INITRAMFS_FILE), initramfs(init, await readModules(kernel.path)));
      progress("initramfs", "ready", 1);
      return {};
    },
  };
}

/** Kernel modules in the order in which they must be loaded. */
export type OrderedModules = { file: string; data: Uint8Array }[];

async function readModules(kernel: string): Promise<OrderedModules> {
  const order = await readFile(join(kernel, KERNEL_FILES.order), "utf8");
  const files = order.split("\n").filter(Boolean);
  return Promise.all(
    files.map(async (file) => ({ file, data: await readFile(join(kernel, KERNEL_FILES.modules, file)) })),
  );
}

/**
 * The archive that the kernel unpacks into its first root file system. It is not compressed: the VMM copies it into
 * memory whatever its size, and under software emulation unpacking the 7 MB took 0.3 s of processor time more with lz4,
 * 0.4 s with gzip and 0.5 s with zstd. To measure: boot each under `-accel tcg` and read fields 14 and 15 of
 * /proc/PID/stat when the guest agent says that it is ready. /dev/console must be a member, since the kernel
 * opens it for process 1 before that process can mount anything (Linux, init/main.c, console_on_rootfs).
 */
export function initramfs(init: Uint8Array, modules: OrderedModules): Buffer {
  const directories = ["dev", "modules", "newroot", "proc", "sys"];
  return cpioArchive([
    ...directories.map((path): CpioEntry => ({ type: "directory", path, mode: 0o755 })),
    { type: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { type: "character-device", path: "dev/null", mode: 0o666, major: 1, minor: 3 },
    { type: "file", path: "init", mode: 0o755, data: init },
    {
      type: "file",
      path: "modules/order",
      mode: 0o644,
      data: Buffer.from(modules.map(({ file }) => `${file}\n`).join("")),
    },
    ...modules.map(({ file, data }): CpioEntry => ({ type: "file", path: `modules/${file}`, mode: 0o644, data })),
  ]);
}
