import { Kysely } from "kysely";
import type { Logger } from "../logging.ts";
import { EmbeddedDatabase } from "./embedded/embedded-database.ts";
import { type Leadership, PostgresLeadership } from "./leadership.ts";
import { type Messages, PostgresMessages } from "./messages.ts";
import { openPostgres, type PostgresOptions } from "./postgres.ts";
import type { Db, Tables } from "./tables.ts";

/** An open, migrated database. */
export interface Database {
  readonly db: Db;
  /** Which of several control planes does what must be done once. */
  readonly leadership: Leadership;
  /** What control planes on this database tell each other. */
  readonly messages: Messages;
  close(): Promise<void>;
}

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

/** Connections to a server for this process and others, and to the embedded one, each of which takes its memory. */
const MAX_CONNECTIONS = 10;
const MAX_EMBEDDED_CONNECTIONS = 6;

/** Opens the PostgreSQL server of the settings, or the embedded one of the data directory. */
export async function openDatabase(config: DatabaseSettings, log: Logger): Promise<Database> {
  if (config.databaseUrl !== undefined) {
    return connect(config.databaseUrl, { maxConnections: MAX_CONNECTIONS }, log);
  }
  const embedded = await EmbeddedDatabase.start(config, log, (error) => endAfter(error, log));
  const { disk } = embedded;
  const options = {
    maxConnections: MAX_EMBEDDED_CONNECTIONS,
    ...(disk && { beforeWrite: () => disk.requireSpace() }),
  };
  try {
    const database = await connect(embedded.url, options, log);
    const close = async () => {
      await database.close();
      await embedded.close();
    };
    return { ...database, close };
  } catch (error) {
    await embedded.close();
    throw error;
  }
}

async function connect(url: string, options: PostgresOptions, log: Logger): Promise<Database> {
  const { pool, dialect } = await openPostgres(url, options, log);
  const db = new Kysely<Tables>({ dialect });
  return {
    db,
    leadership: new PostgresLeadership(url, log),
    messages: new PostgresMessages(pool, url, log),
    close: () => closePool(db, pool),
  };
}

/** Nothing that was committed is lost: the next start reads the log of the database. */
function endAfter(error: Error, log: Logger): never {
  log.fatal({ err: error }, "the embedded database cannot be kept running, and this server ends; start it again");
  process.exit(1);
}

async function closePool(db: Db, pool: { ended: boolean; end(): Promise<void> }): Promise<void> {
  await db.destroy();
  // Kysely ends the pool only when it has run a query.
  if (!pool.ended) await pool.end();
}
