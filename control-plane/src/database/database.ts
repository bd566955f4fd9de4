import { Kysely } from "kysely";
import type { Logger } from "../logging.ts";
import { asProblemOfOwn } from "./connection.ts";
import type { DatabaseSettings } from "./data-directory.ts";
import type { EmbeddedDatabase } from "./embedded/embedded-database.ts";
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
  /** Connections that are open, those of them that nobody uses, and how many callers wait for one. */
  connections(): { open: number; idle: number; waiting: number };
  close(): Promise<void>;
}

/** Connections to a server for this process and others, and to the embedded one, each of which takes its memory. */
const MAX_CONNECTIONS = 10;
const MAX_EMBEDDED_CONNECTIONS = 6;

/** Opens the PostgreSQL server of the settings, or an embedded one that runs. */
export async function openDatabase(
  { databaseUrl }: Pick<DatabaseSettings, "databaseUrl">,
  log: Logger,
  embedded?: EmbeddedDatabase,
): Promise<Database> {
  if (databaseUrl !== undefined) {
    return asProblemOfOwn(() => connect(databaseUrl, { maxConnections: MAX_CONNECTIONS }, log));
  }
  if (embedded === undefined) throw new Error("there is no database to open");
  const { url, disk } = embedded;
  const beforeWrite = disk && (() => disk.requireSpace());
  return connect(url, { maxConnections: MAX_EMBEDDED_CONNECTIONS, ...(beforeWrite && { beforeWrite }) }, log);
}

async function connect(url: string, options: PostgresOptions, log: Logger): Promise<Database> {
  const { connections, dialect } = await openPostgres(url, options, log);
  const db = new Kysely<Tables>({ dialect });
  return {
    db,
    leadership: new PostgresLeadership(url, log),
    messages: new PostgresMessages(connections, url, log),
    connections: () => {
      const { totalCount: open, idleCount: idle, waitingCount: waiting } = connections;
      return { open, idle, waiting };
    },
    close: () => closeConnections(db, connections),
  };
}

async function closeConnections(db: Db, connections: { ended: boolean; end(): Promise<void> }): Promise<void> {
  await db.destroy();
  // Kysely ends the pool only when it has run a query.
  if (!connections.ended) await connections.end();
}
