import { join, resolve } from "node:path";
import type { BaseImage } from "../disk/disk.ts";
import { Apt } from "./apt.ts";
import { baseImageRecipe, ROOT_FILE } from "./base-image.ts";
import { IMAGE_BYTES } from "./base-recipe.ts";
import { readDistribution } from "./distribution.ts";
import { goVersion, readGuestAgentSource } from "./guest-agent.ts";
import type { BootImages, Progress } from "./images.ts";
import { INITRAMFS_FILE, initramfsRecipe } from "./initramfs.ts";
import { KERNEL_FILES, kernelRecipe } from "./kernel.ts";
import { type ImageFolder, ImageStore } from "./store.ts";
import { toolRunner } from "./tool.ts";

export interface EnsureImagesOptions {
  /** Image directory; made when it does not exist. */
  directory: string;
  /** Root of the repository, which holds the sources of the guest agent. */
  sourceRoot: string;
  /** Also build the root file system with Node. */
  withNode: boolean;
  /** Build kernel and root file systems from the newest packages although they stand. The old folders stay. */
  refresh?: boolean;
  progress: Progress;
}

/**
 * Builds what is missing of everything that a microVM boots from. When all of it stands this takes no lock and reads
 * little. Processes that build in one directory wait for each other and build once.
 */
export async function ensureImages(options: EnsureImagesOptions): Promise<BootImages> {
  const { sourceRoot, withNode, progress, refresh = false } = options;
  const distribution = await readDistribution();
  const onWait = () => progress("waiting", "another process builds images in this directory");
  const store = new ImageStore(resolve(options.directory), onWait);
  const apt = new Apt(toolRunner(), progress);
  const boot = async () => {
    const [kernel, agent, go] = await all(
      store.ensure(kernelRecipe(distribution, apt, refresh, progress), refresh),
      readGuestAgentSource(join(sourceRoot, "guest-agent")),
      goVersion(toolRunner()),
    );
    return { kernel, initramfs: await store.ensure(initramfsRecipe(kernel, agent, go, progress), false) };
  };
  const root = (name: "base" | "node") =>
    store.ensure(baseImageRecipe(name, distribution, apt, refresh, progress), refresh);
  try {
    const [{ kernel, initramfs }, base, node] = await all(boot(), root("base"), withNode ? root("node") : undefined);
    return {
      vmlinuz: join(kernel.path, KERNEL_FILES.vmlinuz),
      vmlinux: join(kernel.path, KERNEL_FILES.vmlinux),
      kernelRelease: kernel.resolved.release!,
      initramfs: join(initramfs.path, INITRAMFS_FILE),
      base: baseImage(base),
      ...(node && { node: baseImage(node) }),
    };
  } finally {
    await store.close();
  }
}

/** Like Promise.all, but waits for all to end before it rejects: the lock must outlast every build. */
async function all<A, B, C>(a: Promise<A>, b: Promise<B>, c: C | Promise<C>): Promise<[A, B, C]> {
  await Promise.allSettled([a, b, c]);
  return Promise.all([a, b, c]);
}

function baseImage(folder: ImageFolder): BaseImage {
  return { path: join(folder.path, ROOT_FILE), format: "raw", virtualSize: IMAGE_BYTES };
}
