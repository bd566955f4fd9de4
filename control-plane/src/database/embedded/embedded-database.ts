import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { WarrenError } from "@warren/contracts/errors";
import type { Logger } from "../../logging.ts";
import { DATABASE, OWNER } from "./cluster.ts";
import { DiskSpace } from "./disk-space.ts";
import { requireOwnUserId } from "./identity.ts";
import { ensureCluster, prepareCluster } from "./prepared.ts";
import { refuseOtherDatabases } from "./refusals.ts";
import { settleReplacement } from "./replacement.ts";
import { PostgresServer } from "./server.ts";
import { ensureServerFiles, type ServerFiles } from "./server-files.ts";

/** Clients that may be connected at once: those of the pool, of leadership and of messages, and the operator's. */
const MAX_CONNECTIONS = 20;

/** Milliseconds before the first of several starts in a row, which double, and the most of them. */
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
/** Starts in a row after which the server is given up, and how long one must run not to count. */
const MOST_STARTS = 8;
const STEADY_MS = 60_000;

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
    onGivenUp: (error: Error) => void,
  ): Promise<EmbeddedDatabase> {
    const directory = join(options.dataDir, "database");
    const files = await ensureServerFiles(options.cacheDir);
    await requireOwnUserId();
    if (!options.ephemeral) await settleReplacement(directory, log);
    await refuseOtherDatabases(options.dataDir, join(directory, "cluster"), files);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const disk = options.ephemeral ? undefined : new DiskSpace(directory, log);
    disk?.requireSpace();
    const start = await starter(directory, files, options, log);
    const server = await start();
    const keep = async (stop: AbortSignal) => {
      try {
        await keepRunning(server, start, stop, { ephemeral: options.ephemeral, log });
      } catch (error) {
        onGivenUp(error as Error);
      }
    };
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

/** Starts a server again whenever it ends, until it is to stop; throws when that does not help. */
async function keepRunning(
  first: PostgresServer,
  start: () => Promise<PostgresServer>,
  stop: AbortSignal,
  { ephemeral, log }: { ephemeral: boolean; log: Logger },
): Promise<void> {
  let server = first;
  const stopped = new Promise<undefined>((resolve) =>
    stop.addEventListener("abort", () => resolve(undefined), { once: true }),
  );
  for (let starts = 0; ; ) {
    const since = performance.now();
    const how = await Promise.race([server.ended, stopped]);
    if (how === undefined) return await server.stop({ immediate: ephemeral });
    log.error({ pid: server.pid }, `the embedded database ended ${how}`);
    if (ephemeral) throw new WarrenError("database_unavailable", `the embedded database ended ${how}`);
    if (performance.now() - since > STEADY_MS) starts = 0;
    for (;;) {
      const wait = Math.min(FIRST_DELAY_MS * 2 ** starts, LONGEST_DELAY_MS);
      await delay(wait, undefined, { signal: stop }).catch(() => undefined);
      if (stop.aborted) return;
      starts += 1;
      const next = await start().catch((error: unknown) => {
        if (starts >= MOST_STARTS) throw error;
        log.error({ err: error }, "the embedded database could not be started again; trying again");
        return undefined;
      });
      if (next === undefined) continue;
      if (starts >= MOST_STARTS) {
        await next.stop();
        throw new WarrenError(
          "database_unavailable",
          `the embedded database ended ${starts} times in a row, last ${how}`,
        );
      }
      log.warn("the embedded database runs again");
      server = next;
      break;
    }
  }
}
