import { mkdir, open, readdir, readFile, readlink, rename, rm, stat, symlink } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { syncDirectory, writeFileDurably } from "@warren/server/durable-file";
import { type FileLock, lockFile, tryLockFile } from "@warren/server/file-lock";
import { contentKey, type Facts } from "./content-key.ts";
import { type RunTool, toolRunner } from "./tool.ts";

/** How one folder of images is made. */
export interface ImageRecipe {
  /** First part of the folder's name, such as `kernel`. */
  name: string;
  /** What is asked for: known before building. Changing any of it asks for another folder. */
  inputs: Facts;
  /** Fills an empty folder, and says what the inputs came to, such as the versions of packages. */
  build(folder: string, runTool: RunTool): Promise<Facts>;
}

/** A complete folder of images. */
export interface ImageFolder {
  path: string;
  /** What the inputs came to. */
  resolved: Facts;
}

/** Written last into every folder; tells a complete folder from a damaged one, and an operator what it was made from. */
interface Manifest {
  name: string;
  inputs: Facts;
  resolved: Facts;
  /** Bytes of every file. */
  files: Record<string, number>;
}

const MANIFEST = "manifest.json";
const BUILDING = ".building-";
const REQUESTS = "requests";
const LOCK = "lock";

/**
 * Image folders in a directory:
 *
 *     NAME-KEY/           immutable; KEY is the hash of inputs and what they came to
 *     requests/NAME-KEY   symbolic link to the folder that answers a request; KEY is the hash of the inputs alone
 *     .building-NAME-KEY/ a build under way; debris when nobody holds the lock
 *     lock                held by the one process that builds or removes
 *
 * A folder appears by a rename, complete and synced, or not at all.
 */
export class ImageStore {
  readonly #directory: string;
  readonly #onWait: () => void;
  #lock: Promise<FileLock> | undefined;

  /** `onWait` is called when another process builds in this directory and this one has to wait. */
  constructor(directory: string, onWait: () => void) {
    this.#directory = directory;
    this.#onWait = onWait;
  }

  /** The folder of a recipe, if it stands. */
  async find(recipe: ImageRecipe): Promise<ImageFolder | undefined> {
    const target = await readlink(this.#request(recipe)).catch(absentAsUndefined);
    if (target === undefined) return undefined;
    return readFolder(join(this.#directory, basename(target)));
  }

  /** The folder of a recipe, built when it does not stand, or anew when `refresh` is set. */
  async ensure(recipe: ImageRecipe, refresh: boolean): Promise<ImageFolder> {
    const present = refresh ? undefined : await this.find(recipe);
    if (present) return present;
    this.#lock ??= this.#takeLock();
    const lock = await this.#lock;
    const builtMeanwhile = refresh ? undefined : await this.find(recipe);
    return builtMeanwhile ?? (await this.#build(recipe, toolRunner([lock.fd])));
  }

  /** Lets other processes build. */
  async close(): Promise<void> {
    const lock = await this.#lock?.catch(() => undefined);
    this.#lock = undefined;
    lock?.release();
  }

  async #takeLock(): Promise<FileLock> {
    await mkdir(join(this.#directory, REQUESTS), { recursive: true });
    const lock = await this.#lockOrWait(join(this.#directory, LOCK));
    await removeDebris(this.#directory);
    return lock;
  }

  async #lockOrWait(path: string): Promise<FileLock> {
    const free = await tryLockFile(path);
    if (!free) this.#onWait();
    return free ?? lockFile(path);
  }

  async #build(recipe: ImageRecipe, runTool: RunTool): Promise<ImageFolder> {
    const building = join(this.#directory, `${BUILDING}${basename(this.#request(recipe))}`);
    await mkdir(building);
    try {
      const resolved = await recipe.build(building, runTool);
      const files = await fileSizes(building);
      const manifest: Manifest = { name: recipe.name, inputs: recipe.inputs, resolved, files };
      await writeFileDurably(join(building, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`, 0o644);
      await syncTree(building);
      const path = join(this.#directory, `${recipe.name}-${contentKey(recipe.inputs, resolved)}`);
      await this.#place(building, path);
      await this.#answer(recipe, path);
      return { path, resolved };
    } finally {
      await rm(building, { recursive: true, force: true });
    }
  }

  /** Puts a finished folder in its place. What stands there and is whole has the same content, and stays. */
  async #place(building: string, path: string): Promise<void> {
    if (await readFolder(path)) return;
    const damaged = `${building}-damaged`;
    await rename(path, damaged).catch(absentAsUndefined);
    await rename(building, path);
    await syncDirectory(this.#directory);
    await rm(damaged, { recursive: true, force: true });
  }

  async #answer(recipe: ImageRecipe, path: string): Promise<void> {
    const link = this.#request(recipe);
    const temporary = join(this.#directory, `${BUILDING}${basename(link)}-link`);
    await symlink(join("..", basename(path)), temporary);
    await rename(temporary, link);
    await syncDirectory(join(this.#directory, REQUESTS));
  }

  #request(recipe: ImageRecipe): string {
    return join(this.#directory, REQUESTS, `${recipe.name}-${contentKey(recipe.inputs)}`);
  }
}

/**
 * Removes the folders that no path in `keep` lies in, and what killed builds left. Does nothing while another process
 * builds. Returns the paths of what it removed.
 */
export async function removeImageFolders(directory: string, keep: Iterable<string>): Promise<string[]> {
  const kept = new Set([...keep].map((path) => relative(directory, path).split("/")[0]!));
  const entries = await readdir(directory, { withFileTypes: true }).catch(absentAsUndefined);
  const lock = entries && (await tryLockFile(join(directory, LOCK)));
  if (!lock) return [];
  try {
    const removed: string[] = [];
    await removeDebris(directory);
    for (const { name } of entries.filter((entry) => entry.isDirectory() && /-[0-9a-f]{16}$/.test(entry.name))) {
      if (kept.has(name) || name.startsWith(BUILDING)) continue;
      // The rename makes the removal one step: a folder never stands with half of its files.
      const going = join(directory, `${BUILDING}${name}-removed`);
      await rename(join(directory, name), going);
      await rm(going, { recursive: true, force: true });
      removed.push(join(directory, name));
    }
    await removeDanglingRequests(directory);
    await syncDirectory(directory);
    return removed;
  } finally {
    lock.release();
  }
}

async function removeDanglingRequests(directory: string): Promise<void> {
  const requests = join(directory, REQUESTS);
  for (const name of (await readdir(requests).catch(absentAsUndefined)) ?? []) {
    const target = await stat(join(requests, name)).catch(absentAsUndefined);
    if (!target) await rm(join(requests, name));
  }
}

async function removeDebris(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith(BUILDING)) await rm(join(directory, name), { recursive: true, force: true });
  }
}

/** Reads a folder; undefined when it is absent, or a file of it is missing, cut short or overgrown. */
async function readFolder(path: string): Promise<ImageFolder | undefined> {
  const text = await readFile(join(path, MANIFEST), "utf8").catch(absentAsUndefined);
  if (text === undefined) return undefined;
  const manifest = parseManifest(text);
  if (!manifest) return undefined;
  for (const [name, size] of Object.entries(manifest.files)) {
    const found = await stat(join(path, name)).catch(absentAsUndefined);
    if (found?.size !== size) return undefined;
  }
  return { path, resolved: manifest.resolved };
}

function parseManifest(text: string): Manifest | undefined {
  try {
    return JSON.parse(text) as Manifest;
  } catch {
    // Damage like that of any other file of the folder: it is built again.
    return undefined;
  }
}

async function fileSizes(folder: string): Promise<Record<string, number>> {
  const sizes: Record<string, number> = {};
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) sizes[relative(folder, path)] = (await stat(path)).size;
  }
  return sizes;
}

/** Makes the content of a folder durable, file by file (fsync(2)). */
async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() && !entry.isDirectory()) continue;
    const handle = await open(join(entry.parentPath, entry.name), "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  await syncDirectory(folder);
}

function absentAsUndefined(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
