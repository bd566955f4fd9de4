import { readFile, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { type Apt, parseFields } from "./apt.ts";
import { distributionArchives, downloadSettings } from "./apt-archives.ts";
import {
  AFTER_ESSENTIAL,
  BASE_PACKAGES,
  CUSTOMIZE,
  IMAGE_BYTES,
  NODE_PACKAGES,
  RECIPE_VERSION,
} from "./base-recipe.ts";
import { BootstrapProgress } from "./bootstrap-progress.ts";
import { hashFiles } from "./content-key.ts";
import type { Distribution } from "./distribution.ts";
import { EXT4_OPTIONS, makeExt4 } from "./ext4.ts";
import type { Progress } from "./images.ts";
import { settleTimes } from "./settled-times.ts";
import type { ImageRecipe } from "./store.ts";
import type { RunTool } from "./tool.ts";

/** File of a base image folder. */
export const ROOT_FILE = "root.ext4";

/** Names and versions of the packages in the image, one a line. */
const PACKAGES_FILE = "packages.txt";

/** Names of base images, and what a build needs of free space, in bytes. */
const IMAGES = {
  base: { packages: BASE_PACKAGES, room: 1.5 * 1024 ** 3 },
  node: { packages: [...BASE_PACKAGES, ...NODE_PACKAGES], room: 3 * 1024 ** 3 },
} as const;

/** Makes a folder with a root file system of the host's own distribution. */
export function baseImageRecipe(
  name: keyof typeof IMAGES,
  distribution: Distribution,
  apt: Apt,
  refresh: boolean,
  progress: Progress,
): ImageRecipe {
  const { id, codename, architecture } = distribution;
  const { packages, room } = IMAGES[name];
  const step = `${name} image`;
  return {
    name,
    inputs: {
      recipe: `${RECIPE_VERSION} ${digest(AFTER_ESSENTIAL, CUSTOMIZE, ...EXT4_OPTIONS, String(IMAGE_BYTES))}`,
      distribution: `${id} ${codename} ${architecture}`,
      packages: packages.join(" "),
    },
    async build(folder, runTool) {
      await requireRoom(folder, room);
      if (refresh) await apt.update();
      const root = join(folder, "root");
      const started = Date.now();
      progress(step, "collecting packages", 0);
      const archives = await distributionArchives(distribution, apt, runTool);
      await bootstrap({ root, codename, archives, packages }, runTool, (detail, fraction) =>
        progress(step, detail, fraction * 0.9),
      );
      progress(step, "writing the file system", 0.9);
      const epoch = await settleTimes(root, started);
      const installed = installedPackages(await readFile(join(root, "var/lib/dpkg/status"), "utf8"));
      await writeFile(join(folder, PACKAGES_FILE), installed);
      await makeExt4(root, join(folder, ROOT_FILE), { size: IMAGE_BYTES, epoch }, runTool);
      await rm(root, { recursive: true });
      progress(step, "ready", 1);
      return { packages: digest(installed) };
    },
  };
}

interface Bootstrap {
  root: string;
  codename: string;
  archives: readonly string[];
  packages: readonly string[];
}

/**
 * Installs a distribution into a directory. Nothing is mounted in it: what mmdebstrap mounts by default is not needed by
 * these packages, and a killed build leaves no mount behind.
 */
async function bootstrap(
  { root, codename, archives, packages }: Bootstrap,
  runTool: RunTool,
  report: (detail: string, fraction: number) => void,
): Promise<void> {
  const progress = new BootstrapProgress();
  const settings = await downloadSettings(runTool);
  const args = [
    "--verbose",
    "--mode=root",
    "--format=directory",
    "--variant=minbase",
    "--skip=chroot/mount",
    `--include=${packages.join(",")}`,
    ...settings.map((setting) => `--aptopt=${setting}`),
    `--essential-hook=${AFTER_ESSENTIAL}`,
    `--customize-hook=${CUSTOMIZE}`,
    codename,
    root,
    ...archives,
  ];
  await runTool("mmdebstrap", args, {
    isolated: true,
    env: { DEBIAN_FRONTEND: "noninteractive" },
    hint: "Check that this machine reaches its package archives: apt-get update",
    onLine: (line) => {
      const news = progress.read(line);
      if (news) report(news.detail, news.fraction);
    },
  });
}

/** Lines of name and version, sorted, from a dpkg status file. */
export function installedPackages(status: string): string {
  const lines = status
    .split("\n\n")
    .filter((paragraph) => paragraph.trim() !== "")
    .map((paragraph) => {
      const fields = parseFields(paragraph);
      return `${fields.get("Package")} ${fields.get("Version")}\n`;
    });
  return lines.sort().join("");
}

async function requireRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  const [needed, free] = [bytes, bavail * bsize].map((value) => (value / 1024 ** 3).toFixed(1));
  const message = `Building a root file system in ${folder} needs ${needed} GiB of free disk space, and there are ${free} GiB. Free some, or name another directory.`;
  throw new WarrenError("host_disk_full", message);
}

function digest(...texts: string[]): string {
  return hashFiles(new Map(texts.map((text, index) => [String(index), Buffer.from(text)]))).slice(0, 16);
}
