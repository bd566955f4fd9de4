import { join } from "node:path";
import type { ProgressStep } from "../terminal/progress.ts";
import type { DirectoryLock } from "./directory-lock.ts";
import { readApiKey } from "./local-server.ts";
import { CONTROL_PLANE, HOST_AGENT } from "./programs.ts";
import { ServerError, ServerProcess } from "./server-process.ts";

/** Longest path of a unix socket, in bytes (sun_path of unix(7) with its end mark). */
const SOCKET_PATH_BYTES = 107;

/** What a control plane and a host agent are started with. */
export interface StackOptions {
  /** Directory of their state. */
  directory: string;
  /** Shared by all stacks of the machine. */
  imagesDir: string;
  cacheDir: string;
  lock: DirectoryLock;
  /** HOST:PORT of the control plane. */
  listen: string;
  /** The microVMs go with the stack. */
  ephemeral: boolean;
  onProgress: (step: ProgressStep) => void;
  onLog?: (server: string, line: string) => void;
  /** Ends a start that is under way. */
  signal: AbortSignal;
}

/** A control plane with one host agent, as child processes. */
export class Stack {
  readonly url: string;
  readonly apiKey: string;
  /** Resolves with the reason when one of the two ends without being asked to. */
  readonly failed: Promise<ServerError>;
  readonly #servers: Servers;

  private constructor(servers: Servers, url: string, apiKey: string) {
    this.#servers = servers;
    this.url = url;
    this.apiKey = apiKey;
    this.failed = servers.failed;
  }

  /** Starts both and resolves when both are ready; when one cannot start, ends the other and throws ServerError. */
  static async start(options: StackOptions): Promise<Stack> {
    options.signal.throwIfAborted();
    const servers = new Servers(options);
    try {
      const [url] = await Promise.race([
        Promise.all([servers.controlPlane.ready(), servers.hostAgent.ready()]),
        servers.failed.then((error) => Promise.reject(error)),
        aborted(options.signal),
      ]);
      return new Stack(servers, url, await readApiKey(options.directory));
    } catch (error) {
      await servers.stop();
      throw error;
    }
  }

  /** Ends both. False when one did not end in order, so that something of it may be left. */
  stop(): Promise<boolean> {
    return this.#servers.stop();
  }
}

class Servers {
  readonly controlPlane: ServerProcess;
  readonly hostAgent: ServerProcess;
  readonly failed: Promise<ServerError>;
  readonly #ephemeral: boolean;

  constructor(options: StackOptions) {
    const socket = join(options.directory, "agent.sock");
    if (Buffer.byteLength(socket) > SOCKET_PATH_BYTES) {
      throw new ServerError(
        `The path of the data directory is too long for a socket in it (${socket}, at most ${SOCKET_PATH_BYTES} bytes): choose a shorter one.`,
      );
    }
    this.#ephemeral = options.ephemeral;
    const common = { cwd: options.directory, lockFd: options.lock.fd };
    this.hostAgent = ServerProcess.start({
      ...common,
      name: "host agent",
      args: [
        HOST_AGENT,
        "serve",
        ...["--data-dir", options.directory, "--images-dir", options.imagesDir, "--listen", `unix:${socket}`],
        ...(options.ephemeral ? ["--ephemeral"] : []),
        ...["--ready-fd", "3", "--exit-with-parent"],
      ],
      env: {},
      onProgress: options.onProgress,
      onLog: (line) => options.onLog?.("host agent", line),
    });
    this.controlPlane = ServerProcess.start({
      ...common,
      name: "control plane",
      args: [CONTROL_PLANE],
      env: {
        // A stack of its own answers to nobody else: its database and its address are not those of other settings.
        ...(options.ephemeral ? { DATABASE_URL: undefined, REDIS_URL: undefined, CP_PUBLIC_URL: undefined } : {}),
        WARREN_DATA_DIR: options.directory,
        WARREN_LISTEN: options.listen,
        WARREN_LOCAL_HOST: `unix:${socket}`,
        WARREN_CACHE_DIR: options.cacheDir,
        WARREN_READY_FD: "3",
        WARREN_EXIT_WITH_PARENT: "1",
      },
      onProgress: options.onProgress,
      onLog: (line) => options.onLog?.("control plane", line),
    });
    // The first unasked end counts; an asked one never resolves this.
    this.failed = new Promise((resolve) => {
      for (const server of [this.hostAgent, this.controlPlane]) {
        void server.exited.then((error) => error && resolve(error));
      }
    });
  }

  async stop(): Promise<boolean> {
    // The control plane goes first, so that the requests it still serves find the host agent there.
    const ends = this.#ephemeral
      ? await Promise.all([this.controlPlane.stop(), this.hostAgent.stop()])
      : [await this.controlPlane.stop(), await this.hostAgent.stop()];
    return ends.every(Boolean);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}
