import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { ROOT } from "@warren/cli/bundle-programs";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { type HostProgram, sweep } from "./stack.ts";

/** What `warren host join --json` says when it is ready. */
export interface Joined {
  host_id: string;
  control_plane: string;
  address: string;
  notes: string[];
}

/** A command that runs a host, and its last words. */
export interface RunningHost {
  pid: number;
  /** Rejects with what it said when it ends before. */
  ready: Promise<Joined>;
  ended: Promise<{ status: number | null; said: string }>;
  stop(): Promise<{ status: number | null; said: string }>;
}

/** A machine that is to be a host: a data directory, and the commands of `warren host` on it. */
export class HostMachine {
  readonly directory: string;
  readonly #program: HostProgram;
  readonly #running = new Set<RunningHost>();

  private constructor(directory: string, program: HostProgram) {
    this.directory = directory;
    this.#program = program;
  }

  /** `program`: its host agent. */
  static async make(program: HostProgram): Promise<HostMachine> {
    const directory = await mkdtemp(join(tmpdir(), "warren-host-"));
    // Images of its own, rather than those of the machine.
    await mkdir(join(directory, "images"));
    return new HostMachine(directory, program);
  }

  /** Starts `warren host WORDS`. `input`: its standard input. */
  start(words: string[], { input = "", env = {} }: { input?: string; env?: NodeJS.ProcessEnv } = {}): RunningHost {
    const main = join(ROOT, "cli/src/main.ts");
    const child = spawn(process.execPath, [...NODE_FLAGS, main, "host", ...words, "--data-dir", this.directory], {
      env: { ...process.env, WARREN_BUNDLE: dirname(this.#program.path), WARREN_WARM_POOL: "0", ...env },
    });
    child.stdin.on("error", () => undefined).end(input);
    const said = text(child.stderr);
    const lines: string[] = [];
    const ready = Promise.withResolvers<Joined>();
    createInterface(child.stdout).on("line", (line) => {
      lines.push(line);
      if (line.startsWith("{")) ready.resolve(JSON.parse(line));
    });
    const ended = once(child, "close").then(async ([status]) => ({
      status: status as number | null,
      said: `${lines.join("\n")}\n${await said}`,
    }));
    void ended.then(({ said: words }) => ready.reject(new Error(words)));
    ready.promise.catch(() => undefined);
    const running: RunningHost = {
      pid: child.pid ?? 0,
      ready: ready.promise,
      ended,
      stop() {
        child.kill("SIGTERM");
        return ended;
      },
    };
    this.#running.add(running);
    void ended.then(() => this.#running.delete(running));
    return running;
  }

  /** Runs `warren host WORDS` to its end. */
  run(words: string[], options: { input?: string; env?: NodeJS.ProcessEnv } = {}) {
    return this.start(words, options).ended;
  }

  /** Permission bits of a file of the data directory, or of itself. */
  async modeOf(name = ""): Promise<number> {
    return (await stat(join(this.directory, name))).mode & 0o777;
  }

  /** Ends what runs, and removes all that is left. */
  async remove(): Promise<void> {
    await Promise.all([...this.#running].map((running) => running.stop()));
    await sweep(this.directory, this.#program);
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** A port of the loopback interface that is free at this moment. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
