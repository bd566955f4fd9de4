import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";

/**
 * How tar(1) writes a directory: names of any length and times to the nanosecond, each file by itself,
 * and no bits that give the rights of an owner.
 */
const PACK = [
  ...["--create", "--file=-", "--format=posix", "--pax-option=delete=atime,delete=ctime"],
  ...["--hard-dereference", "--numeric-owner", "--mode=a-st"],
];
/** Characters of what a program says that a message shows. */
const SHOWN = 2000;

/** What is in a local directory as an archive. `packed` rejects, once the archive has ended, when anything was left out. */
export function pack(directory: string, signal?: AbortSignal): { archive: Readable; packed: Promise<void> } {
  const child = spawn("tar", [...PACK, "--directory", directory, "."], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, LC_ALL: "C" },
    ...(signal ? { signal } : {}),
  });
  const words = shownOf(child.stderr);
  const packed = once(child, "close").then(async ([status]) => {
    const said = await words;
    // It leaves sockets out with a word and the status of success.
    if (status !== 0 || said !== "") throw new Error(`Not all of ${directory} was copied: ${said.trim()}`);
  });
  packed.catch(() => undefined);
  return { archive: child.stdout, packed };
}

/** The beginning of what a program says on its standard error. */
async function shownOf(stderr: Readable): Promise<string> {
  let said = "";
  for await (const piece of stderr) if (said.length < SHOWN) said += String(piece).slice(0, SHOWN);
  return said;
}
