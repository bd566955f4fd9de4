import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { WarrenError } from "@warren/contracts/errors";
import { requireSocketPath } from "@warren/server/socket-path";
import type { Logger } from "../../logging.ts";
import { ENVIRONMENT, ownCluster, SUPERUSER } from "./cluster.ts";
import { lockCluster } from "./cluster-lock.ts";
import { failedView } from "./failed-view.ts";
import { type ServerUser, takeServerUser } from "./identity.ts";
import type { ServerFiles } from "./server-files.ts";
import { ServerLog } from "./server-log.ts";
import { type Durability, serverSettings } from "./settings.ts";
import { commandFor, type Places } from "./view.ts";

/** Name of the file that PostgreSQL makes in the directory of its socket. */
const SOCKET_NAME = ".s.PGSQL.5432";
/** Directory of it. */
const SOCKET = "socket";

/** Milliseconds that a server has to end in order, and then to end without. */
const STOP_MS = 20_000;
const QUIT_MS = 5_000;

/** What a server is started with. */
export interface ServerOptions extends Durability {
  files: ServerFiles;
  cluster: string;
  /**
   * Directory, of this user alone and always the same one for a cluster, in which `socket`, a directory, and `lock`, a file
   * that is locked as long as any process of the server lives, are made.
   */
  directory: string;
  /** What is done to the cluster is kept in memory and lost in the end; takes root. */
  inMemory?: boolean;
  log: Logger;
}

/**
 * A running PostgreSQL server on a cluster, as a user of its own where this process is root, reached over a unix socket by
 * this user alone. It ends with this process, however that ends. Whoever starts one holds the lock of what the directory
 * belongs to.
 */
export class PostgresServer {
  /** Resolves, with how, when the server has ended. */
  readonly ended: Promise<string>;
  readonly #socket: string;
  readonly #process: ChildProcess;

  private constructor(socket: string, process: ChildProcess, ended: Promise<string>) {
    this.#socket = socket;
    this.#process = process;
    this.ended = ended;
  }

  /** Throws `invalid_request` when no socket can be made in a directory, as its path is too long. */
  static requireDirectory(directory: string): void {
    requireSocketPath(join(directory, SOCKET, SOCKET_NAME));
  }

  /** Resolves when the server takes connections, after it has recovered what a crash has left. */
  static async start(options: ServerOptions): Promise<PostgresServer> {
    const socket = join(options.directory, SOCKET);
    PostgresServer.requireDirectory(options.directory);
    const lock = await lockCluster(options.directory, options.log);
    let user: ServerUser | undefined;
    const release = () => {
      lock.release();
      user?.lock.release();
    };
    try {
      user = await takeServerUser((await stat(options.cluster)).uid);
      await prepareDirectory(options, socket, user?.id);
      const places = placesOf(options, socket);
      const [program, ...parameters] = commandFor("postgres", argumentsFor(options), places, user?.id);
      const stdio = ["ignore", "ignore", "pipe", lock.fd, user?.lock.fd] satisfies StdioOptions;
      return await PostgresServer.#whenReady(spawn(program, parameters, { cwd: "/", env: ENVIRONMENT, stdio }), {
        socket,
        log: options.log,
        // The locks are from then on those of the server alone.
        onSpawn: release,
      });
    } finally {
      release();
    }
  }

  /** Throws when the server ends before it takes connections, which may be at once. */
  static async #whenReady(
    child: ChildProcess,
    { socket, log, onSpawn }: { socket: string; log: Logger; onSpawn: () => void },
  ): Promise<PostgresServer> {
    const said = new ServerLog(child.stderr as Readable, log);
    const exit = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      child.once("exit", (...how) => resolve(how));
    });
    const ended = exit.then(([status, signal]) => (signal ? `by ${signal}` : `with status ${status}`));
    const failed = exit.then(async ([status]) => {
      await said.closed;
      throw failedView(status, said.tail()) ?? notStarted(await ended, said.tail());
    });
    failed.catch(() => undefined);
    await once(child, "spawn");
    onSpawn();
    await Promise.race([said.ready, failed]);
    return new PostgresServer(socket, child, ended);
  }

  /** Connection string of a database, for a role that needs no password. */
  url(database: string, role: string = SUPERUSER): string {
    return urlOf(this.#socket, database, role);
  }

  /** The same of the server that runs in a directory, whichever process has started it. */
  static urlIn(directory: string, database: string, role: string): string {
    return urlOf(join(directory, SOCKET), database, role);
  }

  /** Process id of the server's first process. */
  get pid(): number {
    return this.#process.pid!;
  }

  /** Breaks the connections that are left and ends the server; `immediate` leaves to the next start what is not written. */
  async stop({ immediate = false } = {}): Promise<void> {
    this.#process.kill(immediate ? "SIGQUIT" : "SIGINT");
    const quit = setTimeout(() => this.#process.kill("SIGQUIT"), STOP_MS);
    const kill = setTimeout(() => this.#process.kill("SIGKILL"), STOP_MS + QUIT_MS);
    await this.ended;
    clearTimeout(quit);
    clearTimeout(kill);
  }
}

/**
 * With the lock held no server works on the cluster, so that what such a server would have left as its marks is stale:
 * PostgreSQL would not start while another process of its user had the process id in them.
 */
async function prepareDirectory(
  { cluster, inMemory }: ServerOptions,
  socket: string,
  userId: number | undefined,
): Promise<void> {
  await rm(socket, { recursive: true, force: true });
  await mkdir(socket, { mode: 0o700 });
  if (userId !== undefined) await chown(socket, userId, userId);
  if (inMemory) return;
  await ownCluster(cluster, userId);
  await rm(join(cluster, "postmaster.pid"), { force: true });
}

function placesOf({ files, cluster, inMemory }: ServerOptions, socket: string): Places {
  return { files: files.directory, cluster, socket, ...(inMemory && { inMemory }) };
}

function argumentsFor(options: ServerOptions): (places: Places) => string[] {
  return ({ cluster, socket }) => ["-D", cluster, ...serverSettings(options.files.major, options, socket!)];
}

function urlOf(socket: string, database: string, role: string): string {
  return `postgresql:///${database}?user=${role}&host=${encodeURIComponent(socket)}`;
}

/** What PostgreSQL says of a disk on which there is nothing left for its user: blocks, inodes, or a quota. */
const NO_SPACE = /No space left on device|Disk quota exceeded/;

function notStarted(how: string, lines: string): WarrenError {
  if (NO_SPACE.test(lines)) {
    return new WarrenError(
      "host_disk_full",
      "the embedded database did not start, since the disk of the data directory has no space, or no inodes, left for it; " +
        `free some and start again:\n${lines}`,
    );
  }
  return new WarrenError("database_unavailable", `the embedded database did not start, it ended ${how}:\n${lines}`);
}
