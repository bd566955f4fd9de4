import { claimDataDirectory } from "@warren/server/data-directory-lock";
import type { Logger } from "../logging.ts";
import { EmbeddedDatabase } from "./embedded/embedded-database.ts";

/** Which database a control plane uses. */
export interface DatabaseSettings {
  /** PostgreSQL server; absent = embedded database. */
  databaseUrl?: string;
  /** Directory of the embedded database. */
  dataDir: string;
  /** Directory of what can be made again, which several data directories may share. */
  cacheDir: string;
  /** The embedded database need not outlive the server. */
  ephemeral: boolean;
}

/** A data directory that belongs to this control plane. */
export interface DataDirectory {
  /** Its database, running; undefined when the settings name another. */
  embedded: EmbeddedDatabase | undefined;
  /** Ends the database and gives the directory up. */
  release(): Promise<void>;
}

/**
 * Claims the data directory of the settings and starts its embedded database. A program begins with it: both are made by
 * other processes, while this one loads the rest.
 */
export async function takeDataDirectory(settings: DatabaseSettings, log: Logger): Promise<DataDirectory> {
  const lock = await claimDataDirectory(settings.dataDir, "control plane");
  try {
    const embedded = await startEmbedded(settings, log);
    const release = async () => {
      await embedded?.close();
      lock.release();
    };
    return { embedded, release };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Starts the embedded database, unless the settings name another. The caller holds the lock of the data directory. */
export async function startEmbedded(settings: DatabaseSettings, log: Logger): Promise<EmbeddedDatabase | undefined> {
  if (settings.databaseUrl !== undefined) return undefined;
  return EmbeddedDatabase.start(settings, log, (error) => endAfter(error, log));
}

/** Nothing that was committed is lost: the next start reads the log of the database. */
function endAfter(error: Error, log: Logger): never {
  log.fatal({ err: error }, "the embedded database cannot be kept running, and this server ends; start it again");
  process.exit(1);
}
