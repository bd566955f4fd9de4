import { chmod, lutimes, mkdir, open, rm, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { type ArchiveEntry, ArchiveError, readArchive } from "@warren/server/archive";

/** Bits of a mode that cross the border of a sandbox: a file from one gives nobody the rights of its owner. */
const PERMISSIONS = 0o777;
/** What was left out that a message names; the rest is counted. */
const NAMED = 10;

/** Attributes that a directory or a link gets once nothing is written into it any more. */
interface Late extends Pick<ArchiveEntry, "mode" | "modifiedAt" | "target"> {
  parts: string[];
}

/** Characters that a message shows of each, and of the last member, which names what the sandbox itself has left out. */
const LEFT_OUT_SHOWN = 2000;

/**
 * Unpacks the archive of a directory, whose members are below its `name`, into `root`, a new directory, with modes and times; "" is
 * the name of the topmost directory, which is no member. The archive is believed in nothing:
 * each path is one below `root` whose directories were made here, links are made when all else is there, and only such that
 * stay inside. What is left out is named by an error when all else is copied.
 */
export async function unpack(archive: AsyncIterable<Buffer>, root: string, name: string): Promise<void> {
  try {
    await unpackEntries(archive, root, name);
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    const message = `The sandbox sent ${error.message} where a directory was expected.`;
    throw new ArchiveError(message, { cause: error });
  }
}

async function unpackEntries(archive: AsyncIterable<Buffer>, root: string, name: string): Promise<void> {
  const directories = new Map<string, Late>([["", { parts: [], mode: PERMISSIONS, modifiedAt: 0, target: "" }]]);
  const links: Late[] = [];
  const leftOut = new LeftOut();
  let rooted = name === "";
  const told = name === "" ? "left-out.txt" : `${name}.left-out.txt`;
  for await (const entry of readArchive(archive)) {
    if (entry.path === told && entry.type === "file") {
      leftOut.add(await beginningOf(entry));
      continue;
    }
    const parts = partsOf(entry.path, name);
    if (parts.length === 0) rooted = true;
    else if (!directories.has(parts.slice(0, -1).join("/"))) throw unexpected(entry.path);
    const { mode, modifiedAt, target } = entry;
    const late = { parts, mode, modifiedAt, target };
    if (entry.type === "directory") {
      if (parts.length > 0) await mkdir(join(root, ...parts), 0o700);
      directories.set(parts.join("/"), late);
    } else if (parts.length === 0) throw unexpected(entry.path);
    else if (entry.type === "file") await writeFile(join(root, ...parts), entry);
    else if (entry.type === "symlink" && staysInside(late)) links.push(late);
    else if (entry.type === "symlink") leftOut.add(`the link ${entry.path} leads out of it, to ${target}`);
    else leftOut.add(`${entry.path} is neither a file nor a directory nor a link`);
  }
  if (!rooted) throw unexpected("");
  for (const { parts, target, modifiedAt } of links) {
    const path = join(root, ...parts);
    await symlink(target, path);
    await lutimes(path, modifiedAt, modifiedAt);
  }
  // What is in a directory changes its time, and its mode may forbid more.
  for (const { parts, mode, modifiedAt } of [...directories.values()].reverse()) {
    const path = join(root, ...parts);
    await utimes(path, modifiedAt, modifiedAt);
    await chmod(path, mode & PERMISSIONS);
  }
  leftOut.throwIfAny();
}

async function writeFile(path: string, { content, mode, modifiedAt }: ArchiveEntry): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  try {
    for await (const piece of content) await file.writeFile(piece);
    await file.chmod(mode & PERMISSIONS);
    await file.utimes(modifiedAt, modifiedAt);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

/** What a sandbox says that it has left out. */
async function beginningOf({ content }: ArchiveEntry): Promise<string> {
  let text = "";
  for await (const piece of content) if (text.length < LEFT_OUT_SHOWN) text += piece.toString("utf8");
  return text.slice(0, LEFT_OUT_SHOWN).trim().replaceAll("\n", "; ");
}

/** Names of the directories that lead to an entry, and its own, below that of the archive. */
function partsOf(path: string, name: string): string[] {
  const parts = path.replace(/\/+$/, "").split("/");
  if (name !== "" && parts.shift() !== name) throw unexpected(path);
  if (path === "" || parts.some((part) => part === "" || part === "." || part === ".." || part.includes("\0")))
    throw unexpected(path);
  return parts;
}

/**
 * Whether a link stays inside of the directory, whatever other links do: it climbs first, no further than the directory, and
 * then goes down only.
 */
function staysInside({ parts, target }: Late): boolean {
  const steps = target.split("/").filter((step, at) => step !== "." && (step !== "" || at === 0));
  const down = steps.findIndex((step) => step !== "..");
  const climbed = down < 0 ? steps.length : down;
  return target !== "" && steps[0] !== "" && climbed < parts.length && !steps.slice(climbed).includes("..");
}

/** What was left out, of which no more is held than a message shows: a sandbox may send as much of it as it likes. */
class LeftOut {
  readonly #named: string[] = [];
  #count = 0;

  add(text: string): void {
    this.#count += 1;
    if (this.#named.length < NAMED) this.#named.push(text.slice(0, LEFT_OUT_SHOWN));
  }

  throwIfAny(): void {
    if (this.#count === 0) return;
    const more = this.#count > NAMED ? `; and ${this.#count - NAMED} more` : "";
    throw new Error(`Not all of the directory was copied: ${this.#named.join("; ")}${more}.`);
  }
}

function unexpected(path: string): ArchiveError {
  return new ArchiveError(`an archive with the path ${JSON.stringify(path.slice(0, 200))}`);
}
