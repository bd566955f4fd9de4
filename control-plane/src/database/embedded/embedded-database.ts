import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { keepRunning } from "@warren/server/keep-running";
import type { Logger } from "../../logging.ts";
import { DATABASE, OWNER } from "./cluster.ts";
import { DiskSpace } from "./disk-space.ts";
import { requireOwnUserIds } from "./identity.ts";
import { ensureCluster, prepareCluster } from "./prepared.ts";
import { refuseOtherDatabases } from "./refusals.ts";
import { settleReplacement } from "./replacement.ts";
import { PostgresServer } from "./server.ts";
import { ensureServerFiles, type ServerFiles } from "./server-files.ts";

/** Clients that may be connected at once: those of the pool, of leadership and of messages, and the operator's. */
const MAX_CONNECTIONS = 20;

/** How an embedded database is kept. */
export interface EmbeddedOptions {
  dataDir: string;
  /** Holds the programs of PostgreSQL and a cluster that is ready to be copied. */
  cacheDir: string;
  /** It need not outlive this process: it is in memory where that can be mounted, and nothing waits for the disk. */
  ephemeral: boolean;
}

/** The PostgreSQL server of a data directory, which is started again when it ends by itself. */
export class EmbeddedDatabase {
  /** Connection string. */
  readonly url: string;
  /** The disk under it; undefined when it need not last. */
  readonly disk: DiskSpace | undefined;
  readonly #stop = new AbortController();
  readonly #kept: Promise<void>;

  private constructor(url: string, disk: DiskSpace | undefined, keep: (stop: AbortSignal) => Promise<void>) {
    this.url = url;
    this.disk = disk;
    this.#kept = keep(this.#stop.signal);
  }

  /** Starts the server of a data directory. `onGivenUp` is called when it ends and cannot be started again. */
  static async start(
    options: EmbeddedOptions,
    log: Logger,
    onGivenUp: (error: WarrenError) => void,
  ): Promise<EmbeddedDatabase> {
    const directory = join(options.dataDir, "database");
    PostgresServer.requireDirectory(directory);
    const files = await ensureServerFiles(options.cacheDir);
    await requireOwnUserIds();
    if (!options.ephemeral) await settleReplacement(directory, log);
    await refuseOtherDatabases(options.dataDir, join(directory, "cluster"), files);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const disk = options.ephemeral ? undefined : new DiskSpace(directory, log);
    disk?.requireSpace();
    const start = await starter(directory, files, options, log);
    const server = await start();
    const keep = (signal: AbortSignal) =>
      keepRunning(server, {
        name: "the embedded database",
        start,
        end: (running) => running.stop({ immediate: options.ephemeral }),
        signal,
        log,
        ...(options.ephemeral && { mostStarts: 0 }),
      }).catch((error: unknown) => onGivenUp(givenUp(error)));
    return new EmbeddedDatabase(server.url(DATABASE, OWNER), disk, keep);
  }

  /** Ends the server in order. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#kept;
  }
}

/** What starts a server on the cluster of a directory, which is made if need be. */
async function starter(
  directory: string,
  files: ServerFiles,
  { cacheDir, ephemeral }: EmbeddedOptions,
  log: Logger,
): Promise<() => Promise<PostgresServer>> {
  const preparation = { files, cacheDir, log };
  const inMemory = ephemeral && process.getuid!() === 0;
  const cluster = inMemory ? await prepareCluster(preparation) : join(directory, "cluster");
  if (!inMemory) await ensureCluster(cluster, preparation);
  const options = { files, cluster, directory, inMemory, durable: !ephemeral, maxConnections: MAX_CONNECTIONS, log };
  return () => PostgresServer.start(options);
}

/** Why the server is started no more. */
function givenUp(error: unknown): WarrenError {
  if (error instanceof WarrenError) return error;
  return new WarrenError("database_unavailable", error instanceof Error ? error.message : String(error), {
    cause: error,
  });
}
