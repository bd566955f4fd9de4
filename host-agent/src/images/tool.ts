import { spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { WarrenError } from "@warren/contracts/errors";

export interface ToolOptions {
  cwd?: string;
  /** Added to the environment, which is otherwise the same on every machine. */
  env?: Record<string, string>;
  /** Called with every line of standard output and standard error. */
  onLine?: (line: string) => void;
  /** Gives the tool process ids and mounts of its own: all of its descendants and mounts vanish with it. */
  isolated?: boolean;
  /** What to do when the tool fails, as a sentence for the error message. */
  hint?: string;
}

/** Runs a program of the host to its end and returns its standard output. */
export type RunTool = (program: string, args: readonly string[], options?: ToolOptions) => Promise<string>;

/** Debian packages of programs that a minimal system may lack. */
const PACKAGES: Record<string, string> = {
  debugfs: "e2fsprogs",
  dumpe2fs: "e2fsprogs",
  go: "golang-go",
  "mkfs.ext4": "e2fsprogs",
  mmdebstrap: "mmdebstrap",
  lz4: "lz4",
  xz: "xz-utils",
};

const PATH = [
  ...(process.env.PATH ?? "").split(delimiter).filter(Boolean),
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
  "/usr/local/go/bin",
  "/usr/lib/go/bin",
].join(delimiter);

/** Variables that say how this machine reaches the network. */
const NETWORK_VARIABLES = ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"];

/** What tools make for guests, and for the host's apt, is for all users there. */
const READABLE = 'umask 022; exec "$0" "$@"';

const TAIL_LINES = 25;

/**
 * Makes a runner whose tools end with this process, even when it is killed: SIGKILL reaches the tool by PR_SET_PDEATHSIG
 * (prctl(2)). `held` are descriptors that the tools keep open, such as that of a lock, so that it is free only when no
 * tool is left.
 */
export function toolRunner(held: readonly number[] = []): RunTool {
  return async (program, args, options = {}) => {
    await requireProgram(program);
    const wrapped = ["setpriv", "--pdeathsig", "KILL", "--"];
    if (options.isolated) wrapped.push("unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--");
    const child = spawn("/bin/sh", ["-c", READABLE, ...wrapped, program, ...args], {
      cwd: options.cwd,
      env: environment(options.env),
      stdio: ["ignore", "pipe", "pipe", ...held],
    });
    let output = "";
    const tail: string[] = [];
    const follow = (line: string) => {
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
      options.onLine?.(line);
    };
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    createInterface({ input: child.stdout! }).on("line", follow);
    createInterface({ input: child.stderr! }).on("line", follow);
    const end = await new Promise<string>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => resolve(signal ?? (code === 0 ? "" : `status ${code}`)));
    });
    if (end === "") return output;
    const command = [program, ...args].join(" ");
    const shown = command.length > 200 ? `${command.slice(0, 200)}…` : command;
    throw new WarrenError(
      "image_build_failed",
      `${program} ended with ${end}. ${options.hint ?? ""}\nCommand: ${shown}\nIts last lines:\n${tail.join("\n")}`,
    );
  };
}

async function requireProgram(program: string): Promise<void> {
  for (const directory of PATH.split(delimiter)) {
    const found = await access(join(directory, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return;
  }
  const name = PACKAGES[program] ?? program;
  throw new WarrenError("image_build_failed", `${program} is not installed. Install it: apt-get install ${name}`);
}

/** The environment is rebuilt from nothing, so that what is built does not depend on who builds it. */
function environment(added: Record<string, string> = {}): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of NETWORK_VARIABLES.flatMap((variable) => [variable, variable.toUpperCase()])) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return { PATH, HOME: process.env.HOME ?? "/root", LC_ALL: "C.UTF-8", TZ: "UTC", TERM: "dumb", ...kept, ...added };
}
