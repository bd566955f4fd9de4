import { mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BootImages } from "../images.ts";

const MIB = 1024 * 1024;

/** Files that guests of the fake VMM boot from: a kernel of a few words, and a base of zeros. */
export async function ensureFakeImages({ directory }: { directory: string }): Promise<BootImages> {
  const folder = join(directory, "fake-1");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = async (name: string, content: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, content);
    return path;
  };
  const kernel = await file("kernel", "the kernel of the fake VMM");
  const base = { path: await file("base.raw", ""), format: "raw" as const, virtualSize: 64 * MIB };
  await truncate(base.path, base.virtualSize);
  return { vmlinuz: kernel, vmlinux: kernel, kernelRelease: "fake", initramfs: await file("initramfs", "none"), base };
}
