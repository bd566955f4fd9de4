import { join } from "node:path";
import type { FileLock } from "@warren/server/file-lock";
import { LASTING_SERVER_FLAGS, SHORT_LIVED_SERVER_FLAGS } from "@warren/server/node-flags";
import { requireSocketPath } from "@warren/server/socket-path";
import type { ProgressStep } from "../terminal/progress.ts";
import { hostAgentArguments, openImagesDir } from "./host-agent-arguments.ts";
import { findApiKey } from "./local-server.ts";
import { CONTROL_PLANE } from "./programs.ts";
import { ServerError, ServerProcess } from "./server-process.ts";

/** Size of a sandbox. */
export interface SandboxSize {
  vcpus: number;
  /** MiB. */
  memoryMb: number;
}

/** What a control plane and a host agent are started with. */
export interface StackOptions {
  /** Directory of their state. */
  directory: string;
  /** Shared by all stacks of the machine. */
  imagesDir: string;
  cacheDir: string;
  lock: FileLock;
  /** HOST:PORT of the control plane. */
  listen: string;
  /** The microVMs go with the stack. */
  ephemeral: boolean;
  /** Directory of the builds of the dashboard; absent = no pages are served. */
  dashboardDir?: string;
  /** Size of the sandbox that will be asked for first, which is made ready while the control plane starts. */
  prepare?: SandboxSize;
  onProgress: (step: ProgressStep) => void;
  onLog?: (server: string, line: string) => void;
  /** Ends a start that is under way. */
  signal: AbortSignal;
}

/** A control plane with one host agent, as child processes. */
export class Stack {
  readonly url: string;
  /** Undefined where the database came from elsewhere, without the file of the key. */
  readonly knownApiKey: string | undefined;
  /** Resolves with the reason when one of the two ends without being asked to. */
  readonly failed: Promise<ServerError>;
  readonly #servers: Servers;

  private constructor(servers: Servers, url: string, apiKey: string | undefined) {
    this.#servers = servers;
    this.url = url;
    this.knownApiKey = apiKey;
    this.failed = servers.failed;
  }

  /** Starts both and resolves when both are ready; when one cannot start, ends the other and throws ServerError. */
  static async start(options: StackOptions): Promise<Stack> {
    options.signal.throwIfAborted();
    const servers = new Servers({ ...options, imagesDir: await openImagesDir(options.imagesDir) });
    try {
      const url = await Promise.race([
        servers.start(),
        servers.failed.then((error) => Promise.reject(error)),
        aborted(options.signal),
      ]);
      return new Stack(servers, url, await findApiKey(options.directory));
    } catch (error) {
      await servers.stop();
      throw error;
    }
  }

  /** Key for calls to the server; throws where it is not known. */
  get apiKey(): string {
    if (this.knownApiKey === undefined) throw new ServerError("The server's API key is not in its data directory.");
    return this.knownApiKey;
  }

  /** What the servers have to say to whoever starts them. */
  get notes(): string[] {
    return this.#servers.notes();
  }

  /** Last lines of the servers' logs, each with the name of its server. */
  logTail(): { server: string; line: string }[] {
    return this.#servers.logTail();
  }

  /** Ends both. False when one did not end in order, so that something of it may be left. */
  stop(): Promise<boolean> {
    return this.#servers.stop();
  }
}

class Servers {
  /** Resolves with the reason when one ends without being asked to. */
  readonly failed: Promise<ServerError>;
  readonly #options: StackOptions;
  readonly #socket: string;
  readonly #running: ServerProcess[] = [];
  #reportFailure: (error: ServerError) => void = () => undefined;

  constructor(options: StackOptions) {
    this.#options = options;
    this.#socket = join(options.directory, "agent.sock");
    requireSocketPath(this.#socket);
    this.failed = new Promise((resolve) => {
      this.#reportFailure = resolve;
    });
  }

  /** Starts both at once; the control plane finds its host when it needs it. Resolves with its address. */
  async start(): Promise<string> {
    const hostAgent = this.#run("host agent", this.#hostAgentArguments(), this.#hostAgentEnvironment());
    const controlPlane = this.#run("control plane", this.#controlPlaneArguments(), this.#controlPlaneEnvironment());
    const [url] = await Promise.all([controlPlane.ready(), hostAgent.ready()]);
    return url;
  }

  notes(): string[] {
    return this.#running.flatMap(({ notes }) => notes);
  }

  logTail(): { server: string; line: string }[] {
    return this.#running.flatMap((server) => {
      const lines = server.logTail().split("\n").filter(Boolean);
      return lines.map((line) => ({ server: server.name, line }));
    });
  }

  async stop(): Promise<boolean> {
    // The control plane goes first, so that the requests it still serves find the host agent there.
    const lastFirst = this.#running.toReversed();
    if (this.#options.ephemeral) {
      const ends = await Promise.all(lastFirst.map((server) => server.stop()));
      return ends.every(Boolean);
    }
    let inOrder = true;
    for (const server of lastFirst) inOrder = (await server.stop()) && inOrder;
    return inOrder;
  }

  #run(name: string, args: string[], env: Record<string, string | undefined>): ServerProcess {
    const { directory, lock, onProgress, onLog } = this.#options;
    const server = ServerProcess.start({
      name,
      args,
      env,
      cwd: directory,
      lockFd: lock.fd,
      onProgress,
      onLog: (line) => onLog?.(name, line),
    });
    this.#running.push(server);
    void server.exited.then((error) => error && this.#reportFailure(error));
    return server;
  }

  #hostAgentArguments(): string[] {
    const { directory, imagesDir, ephemeral, prepare } = this.#options;
    return [
      ...hostAgentArguments({ directory, imagesDir, listen: `unix:${this.#socket}`, ephemeral }),
      ...(prepare ? ["--prepare", `${prepare.vcpus}x${prepare.memoryMb}`] : []),
    ];
  }

  #hostAgentEnvironment(): Record<string, string | undefined> {
    if (!this.#options.ephemeral) return {};
    // Nothing is kept ready where no second sandbox follows.
    const { WARREN_WARM_POOL = "0", WARREN_SPARE_SLOTS = "0" } = process.env;
    return { WARREN_WARM_POOL, WARREN_SPARE_SLOTS };
  }

  #controlPlaneArguments(): string[] {
    return [...(this.#options.ephemeral ? SHORT_LIVED_SERVER_FLAGS : LASTING_SERVER_FLAGS), CONTROL_PLANE];
  }

  #controlPlaneEnvironment(): Record<string, string | undefined> {
    const { directory, cacheDir, listen, ephemeral, dashboardDir } = this.#options;
    return {
      ...(ephemeral ? withoutSettings(process.env) : {}),
      WARREN_DATA_DIR: directory,
      WARREN_LISTEN: listen,
      WARREN_LOCAL_HOST: `unix:${this.#socket}`,
      WARREN_CACHE_DIR: cacheDir,
      ...(dashboardDir === undefined ? {} : { WARREN_DASHBOARD_DIR: dashboardDir }),
      WARREN_READY_FD: "3",
      WARREN_EXIT_WITH_PARENT: "1",
      WARREN_EPHEMERAL: ephemeral ? "1" : "0",
    };
  }
}

/** Unsets what configures a lasting control plane: one for a single command has its own database, address and accounts. */
function withoutSettings(environment: NodeJS.ProcessEnv): Record<string, undefined> {
  const settings = Object.keys(environment).filter((name) => SETTING.test(name));
  return Object.fromEntries(settings.map((name) => [name, undefined]));
}

const SETTING = /^(?:DATABASE_URL|CP_.*|REDIS_URL|JWT_.*|OAUTH_.*|SMTP_.*|WARREN_(?!LOG_LEVEL$).*)$/;

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}
