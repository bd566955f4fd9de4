import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { NODE_FLAGS } from "@warren/server/node-flags";

const run = promisify(execFile);

/**
 * Runs a program of this folder in a mount namespace of its own, with a file system mounted at `directory`; both are
 * gone when it ends, however it ends. Returns what it prints, which must be JSON.
 */
export async function runMounted(mount: readonly string[], directory: string, program: string): Promise<unknown> {
  const path = new URL(program, import.meta.url).pathname;
  const script = 'mount "$@" && exec $NODE "$PROGRAM" "$DIRECTORY"';
  const { stdout } = await run(
    "unshare",
    ["--mount", "--propagation", "private", "sh", "-ec", script, "sh", ...mount, directory],
    { env: { ...process.env, NODE: [process.execPath, ...NODE_FLAGS].join(" "), PROGRAM: path, DIRECTORY: directory } },
  );
  return JSON.parse(stdout);
}
