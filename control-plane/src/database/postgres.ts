import { PostgresDialect } from "kysely";
import pg from "pg";
import type { Logger } from "../logging.ts";
import { connectionSettings } from "./connection.ts";
import { loadMigrations, type MigrationSession, migrate } from "./migrations.ts";
import { type Limits, PoolClient } from "./pool-client.ts";

/** OID of `bigint`, which pg gives as text. All of Warren's bigints are below 2^53. */
const INT8 = 20;

/** OID of `timestamptz`. */
const TIMESTAMPTZ = 1184;

const parseAnyTimestamp = pg.types.getTypeParser(TIMESTAMPTZ, "text") as (text: string) => Date;

/** Parsers of text by OID, where Warren's differ from those of pg. */
const PARSERS = new Map<number, (text: string) => unknown>([
  [INT8, Number],
  [TIMESTAMPTZ, parseTimestamp],
]);

const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: "text" | "binary") =>
    (format !== "binary" && PARSERS.get(oid)) || pg.types.getTypeParser(oid, format)) as never,
};

/**
 * Reads a time. In the form that servers in UTC write, such as `2026-01-02 03:04:05.678901+00`, it takes a tenth of the
 * time of pg's parser, which a list of sandboxes needs hundreds of times.
 */
export function parseTimestamp(text: string): Date {
  return text[10] === " " && text.endsWith("+00")
    ? new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`)
    : parseAnyTimestamp(text);
}

/** How a server is used. */
export interface PostgresOptions {
  /** Connections that are open at once at most. */
  maxConnections: number;
  /** Called before each statement that writes; throws when it must not. */
  beforeWrite?: () => void;
  limits?: Limits;
}

/** Connects to a PostgreSQL server and brings its schema up to date. */
export async function openPostgres(
  url: string,
  { maxConnections, beforeWrite, limits }: PostgresOptions,
  log: Logger,
): Promise<{ connections: pg.Pool; dialect: PostgresDialect }> {
  const config: pg.PoolConfig & { limits?: Limits | undefined } = {
    ...connectionSettings(url, "warren"),
    limits,
    types,
    max: maxConnections,
    idleTimeoutMillis: 60_000,
    Client: beforeWrite ? guardedClient(beforeWrite) : PoolClient,
    onConnect: (client) => (client as PoolClient).setLimits(),
  };
  const connections = new pg.Pool(config);
  // A connection that breaks while idle is replaced by the pool; without a listener the process would end.
  connections.on("error", (error) => {
    // The error carries its client, with all that it was told.
    if (!connections.ending) log.warn({ reason: error.message }, "an idle database connection broke");
  });
  try {
    await migrateDatabase(connections, log);
  } catch (error) {
    await connections.end();
    throw error;
  }
  return { connections, dialect: new PostgresDialect({ pool: connections }) };
}

/** Brings the schema of a database up to date; returns the names of the migrations that ran. */
export function migrateClient(client: pg.ClientBase): Promise<string[]> {
  return migrate(sessionOf(client), loadMigrations());
}

/** What runs migrations on a connection. */
export function sessionOf(client: pg.ClientBase): MigrationSession {
  return {
    query: async (sql, parameters) => (await client.query(sql, parameters)).rows,
    script: async (sql) => {
      await client.query(sql);
    },
  };
}

async function migrateDatabase(connections: pg.Pool, log: Logger): Promise<void> {
  const client = await connections.connect();
  try {
    // Another control plane may be migrating.
    const names = await (client as unknown as PoolClient).withoutLimits(() => migrateClient(client));
    if (names.length > 0) log.info({ migrations: names }, "database migrated");
    client.release();
  } catch (error) {
    client.release(true);
    throw error;
  }
}

/** Statements that write nothing that matters. */
const READS = /^\s*(select|show|begin|start|commit|rollback|savepoint|release|set)\b/i;

/** A client that asks before each statement that writes. */
function guardedClient(beforeWrite: () => void): typeof PoolClient {
  return class GuardedClient extends PoolClient {
    // biome-ignore lint/suspicious/noExplicitAny: one signature stands for all of pg's.
    override query(statement: any, ...rest: any[]): any {
      const text: unknown = typeof statement === "string" ? statement : statement?.text;
      if (typeof text === "string" && !READS.test(text)) beforeWrite();
      return super.query(statement, ...(rest as []));
    }
  };
}
