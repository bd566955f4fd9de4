import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { type Apt, dependencies } from "./apt.ts";
import { type Decompress, decompressor } from "./decompress.ts";
import type { Distribution } from "./distribution.ts";
import type { Progress } from "./images.ts";
import { GUEST_MODULES, selectModules } from "./kernel-modules.ts";
import type { ImageRecipe } from "./store.ts";
import type { RunTool } from "./tool.ts";
import { extractVmlinux } from "./vmlinux.ts";

/** To be raised when this file or one that it uses makes something else of the same packages. */
const RECIPE_VERSION = "1";

/** Packages that depend on the newest kernel for virtual machines. */
const META_PACKAGES: Record<Distribution["id"], Record<Distribution["architecture"], string>> = {
  debian: { amd64: "linux-image-cloud-amd64", arm64: "linux-image-cloud-arm64" },
  ubuntu: { amd64: "linux-image-virtual", arm64: "linux-image-virtual" },
};

/** Files of a kernel folder. */
export const KERNEL_FILES = {
  /** As the distribution ships it. */
  vmlinuz: "vmlinuz",
  /** The uncompressed kernel inside. */
  vmlinux: "vmlinux",
  /** Modules for the guest. */
  modules: "modules",
  /** File names of the modules, one a line, in the order in which they must be loaded. */
  order: "modules/order",
} as const;

/** Makes a folder with the distribution's kernel and the modules that a microVM needs. Resolves to `release` and `version`. */
export function kernelRecipe(distribution: Distribution, apt: Apt, refresh: boolean, progress: Progress): ImageRecipe {
  const { id, codename, architecture } = distribution;
  const meta = META_PACKAGES[id][architecture];
  return {
    name: "kernel",
    inputs: {
      recipe: RECIPE_VERSION,
      distribution: `${id} ${codename} ${architecture}`,
      package: meta,
      modules: GUEST_MODULES.map(({ name }) => name).join(" "),
    },
    async build(folder, runTool) {
      if (refresh) await apt.update();
      progress("kernel", `looking for ${meta}`);
      const image = await kernelPackage(apt, meta);
      progress("kernel", `downloading ${image.packages.join(", ")}`, 0.1);
      const scratch = join(folder, "scratch");
      await mkdir(scratch);
      await apt.download(image.packages, scratch);
      progress("kernel", "unpacking", 0.4);
      const tree = await unpack(scratch, runTool);
      await takeKernel(tree, image.release, folder, decompressor(runTool, scratch), progress);
      await rm(scratch, { recursive: true });
      progress("kernel", `${image.release} is ready`, 1);
      return { release: image.release, version: image.version };
    },
  };
}

interface KernelPackage {
  /** Kernel release, as uname(1) says it. */
  release: string;
  /** Version of the package. */
  version: string;
  /** Packages that hold the kernel and its modules. */
  packages: string[];
}

/** Follows a meta package to the kernel it stands for. Ubuntu has the modules in a package of their own. */
async function kernelPackage(apt: Apt, meta: string): Promise<KernelPackage> {
  const name = dependencies(await apt.show(meta)).find((dependency) => /^linux-image-\d/.test(dependency));
  if (name === undefined) {
    throw new WarrenError(
      "image_build_failed",
      `The package ${meta} depends on no kernel; run apt-get update and try again.`,
    );
  }
  const fields = await apt.show(name);
  const modules = dependencies(fields).filter((dependency) => /^linux-modules-\d/.test(dependency));
  return {
    release: name.replace("linux-image-", ""),
    version: fields.get("Version") ?? "",
    packages: [name, ...modules],
  };
}

/** Unpacks all packages of a folder into one tree. */
async function unpack(folder: string, runTool: RunTool): Promise<string> {
  const tree = join(folder, "tree");
  for (const name of await readdir(folder)) {
    if (name.endsWith(".deb")) await runTool("dpkg-deb", ["--extract", join(folder, name), tree]);
  }
  return tree;
}

async function takeKernel(
  tree: string,
  release: string,
  folder: string,
  decompress: Decompress,
  progress: Progress,
): Promise<void> {
  const vmlinuz = join(folder, KERNEL_FILES.vmlinuz);
  await rename(join(tree, `boot/vmlinuz-${release}`), vmlinuz);
  progress("kernel", "extracting vmlinux", 0.7);
  await writeFile(join(folder, KERNEL_FILES.vmlinux), await extractVmlinux(await readFile(vmlinuz), decompress));
  const modules = await selectModules(await modulesTree(tree, release), GUEST_MODULES, decompress);
  await mkdir(join(folder, KERNEL_FILES.modules));
  for (const { name, data } of modules) await writeFile(join(folder, KERNEL_FILES.modules, `${name}.ko`), data);
  await writeFile(join(folder, KERNEL_FILES.order), modules.map(({ name }) => `${name}.ko\n`).join(""));
}

/** Folder of the modules: below /lib, or below /usr/lib where packages know of merged directories. */
async function modulesTree(tree: string, release: string): Promise<string> {
  for (const lib of ["usr/lib", "lib"]) {
    const folder = join(tree, lib, "modules", release);
    const entries = await readdir(folder).catch((): string[] => []);
    if (entries.includes("kernel")) return folder;
  }
  throw new WarrenError("image_build_failed", `The kernel packages of ${release} have no modules.`);
}
