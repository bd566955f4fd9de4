import { join } from "node:path";
import { Kysely } from "kysely";
import type { Logger } from "../logging.ts";
import { watchEventLoop } from "../process/event-loop-watchdog.ts";
import { openEmbedded } from "./embedded.ts";
import { alwaysLeader, type Leadership, PostgresLeadership } from "./leadership.ts";
import { type Messages, noMessages, PostgresMessages } from "./messages.ts";
import { openPostgres } from "./postgres.ts";
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
  /** Directory of what can be made again and is shared by all data directories. */
  cacheDir?: string;
  /** The embedded database need not outlive the server. */
  ephemeral: boolean;
}

/** Opens the PostgreSQL server of the settings, or the embedded database of the data directory. */
export async function openDatabase(config: DatabaseSettings, log: Logger): Promise<Database> {
  if (config.databaseUrl === undefined) {
    const dialect = await openEmbedded(join(config.dataDir, "db"), config, log);
    const db = new Kysely<Tables>({ dialect });
    const endWatch = config.ephemeral ? undefined : watchEventLoop();
    const close = async () => {
      await db.destroy();
      await endWatch?.();
    };
    return { db, leadership: alwaysLeader, messages: noMessages, close };
  }
  const { pool, dialect } = await openPostgres(config.databaseUrl, log);
  const db = new Kysely<Tables>({ dialect });
  return {
    db,
    leadership: new PostgresLeadership(config.databaseUrl, log),
    messages: new PostgresMessages(pool, config.databaseUrl, log),
    close: () => closePool(db, pool),
  };
}

async function closePool(db: Db, pool: { ended: boolean; end(): Promise<void> }): Promise<void> {
  await db.destroy();
  // Kysely ends the pool only when it has run a query.
  if (!pool.ended) await pool.end();
}
