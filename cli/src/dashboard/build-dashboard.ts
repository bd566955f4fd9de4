import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { lockFile } from "@warren/server/file-lock";
import { LastLines } from "../servers/last-lines.ts";

/** The repository. */
const ROOT = join(import.meta.dirname, "../../..");
/** Directory of the builds, of which the control plane serves the one that `current` names. */
export const DASHBOARD_DIR = join(ROOT, ".warren/dashboard");

/** What a build is made of, below the repository. */
const SOURCES = ["dashboard/src", "dashboard/static"];
const SOURCE_FILES = [
  "dashboard/package.json",
  "dashboard/vite.config.ts",
  "dashboard/policy-plugins.ts",
  "dashboard/tsconfig.json",
  "sdk/src/gen/api.ts",
  "package-lock.json",
];

/** Builds that are kept: pages that are open since the one before go on with its files. */
const KEPT_BUILDS = 2;
/** Lines of the output of a build that are kept, and of those the ones that tell why it failed. */
const KEPT_LINES = 200;
const TOLD_LINES = 20;

/**
 * Module that ends the build when its standard input does, which the launcher holds open: no launcher that is killed leaves one.
 * Threads and processes of the build load it too, which have none of it.
 */
const END_WITH_LAUNCHER = `data:text/javascript,${encodeURIComponent(
  'import { isMainThread } from "node:worker_threads"; const { stdin } = process; ' +
    'if (isMainThread && stdin.unref) stdin.once("end", () => process.exit(1)).resume().unref();',
)}`;

export interface BuildOptions {
  /** Called when there is something to build, which takes a while. */
  onBegin?: () => void;
  signal?: AbortSignal;
}

/**
 * Builds the pages of the dashboard unless their sources are those of the build that is there, and has that served. Throws
 * when they cannot be built; the build before is then served still, and where there is none a file says why.
 */
export async function buildDashboard({ onBegin, signal }: BuildOptions = {}): Promise<void> {
  await mkdir(DASHBOARD_DIR, { recursive: true });
  // Two servers of one repository build one after the other; the second finds what the first has made.
  const lock = await lockFile(join(DASHBOARD_DIR, "lock"));
  try {
    const name = await sourceKey();
    if (!(await exists(join(DASHBOARD_DIR, name)))) {
      onBegin?.();
      await build(name, signal);
    }
    await writeAtomically("current", name);
    await rm(join(DASHBOARD_DIR, "failed"), { force: true });
    await removeOld(name);
  } catch (error) {
    if (!signal?.aborted) await writeAtomically("failed", `${(error as Error).message.split("\n")[0]}`);
    throw error;
  } finally {
    lock.release();
  }
}

/** Name of the build of the sources as they are now. */
async function sourceKey(): Promise<string> {
  const hash = createHash("sha256");
  for (const path of await sourcePaths()) {
    const content = await readFile(join(ROOT, path));
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex").slice(0, 32);
}

async function sourcePaths(): Promise<string[]> {
  const paths = [...SOURCE_FILES];
  for (const directory of SOURCES) {
    const entries = await readdir(join(ROOT, directory), { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    paths.push(...files.map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1)));
  }
  return paths.toSorted();
}

/** Runs the build into a directory of its own, which gets its name when it is whole. */
async function build(name: string, signal: AbortSignal | undefined): Promise<void> {
  const output = join(DASHBOARD_DIR, `building-${process.pid}`);
  await removeUnfinished();
  try {
    await runVite(name, output, signal);
    await rename(output, join(DASHBOARD_DIR, name));
  } finally {
    await rm(output, { recursive: true, force: true });
  }
}

async function runVite(version: string, output: string, signal: AbortSignal | undefined): Promise<void> {
  const lines = new LastLines(KEPT_LINES);
  const vite = [join(ROOT, "node_modules/vite/bin/vite.js"), "build", "--logLevel", "warn"];
  const child = spawn(process.execPath, ["--import", END_WITH_LAUNCHER, ...vite], {
    cwd: join(ROOT, "dashboard"),
    env: {
      ...inherited(),
      NODE_ENV: "production",
      WARREN_DASHBOARD_OUTPUT: output,
      WARREN_DASHBOARD_VERSION: version,
      NO_COLOR: "1",
    },
    stdio: ["pipe", "pipe", "pipe"],
    ...(signal ? { signal } : {}),
  });
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => lines.add(text));
  // Servers that start meanwhile go first.
  if (child.pid !== undefined) lower(child.pid);
  const how = await new Promise<string | undefined>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, by) => resolve(status === 0 ? undefined : by ? `by ${by}` : `with status ${status}`));
  });
  signal?.throwIfAborted();
  if (how !== undefined) throw new Error(`The build of the dashboard ended ${how}.\n${reasonIn(lines.toString())}`);
}

/** What the output of a build says of its failure, without where in Vite it happened, and without colours. */
function reasonIn(output: string): string {
  const lines = stripVTControlCharacters(output)
    .split("\n")
    .filter((line) => line.trim() !== "");
  const begin = lines.findIndex((line) => line.startsWith("error during build:")) + 1;
  if (begin === 0) return lines.slice(-TOLD_LINES).join("\n");
  const told = lines.slice(begin, begin + TOLD_LINES);
  const place = told.findIndex((line) => /^\s+at /.test(line));
  return told.slice(0, place === -1 ? undefined : place).join("\n");
}

/** What the build takes of the environment, in which servers have their secrets. */
function inherited(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE } = process.env;
  return { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE };
}

function lower(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It has ended already.
  }
}

async function writeAtomically(name: string, text: string): Promise<void> {
  const temporary = join(DASHBOARD_DIR, `${name}.${process.pid}.tmp`);
  await writeFile(temporary, `${text}\n`);
  await rename(temporary, join(DASHBOARD_DIR, name));
}

/** What builds that were killed have left; the lock says that none is under way. */
async function removeUnfinished(): Promise<void> {
  for (const name of await readdir(DASHBOARD_DIR)) {
    if (/^building-|\.tmp$/.test(name)) await rm(join(DASHBOARD_DIR, name), { recursive: true, force: true });
  }
}

async function removeOld(current: string): Promise<void> {
  const names = (await readdir(DASHBOARD_DIR)).filter((name) => /^[a-f0-9]{32}$/.test(name) && name !== current);
  const ages = await Promise.all(
    names.map(async (name) => ({ name, time: (await stat(join(DASHBOARD_DIR, name))).mtimeMs })),
  );
  const old = ages.toSorted((a, b) => b.time - a.time).slice(KEPT_BUILDS - 1);
  for (const { name } of old) await rm(join(DASHBOARD_DIR, name), { recursive: true, force: true });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
