import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { Logger } from "../logging.ts";
import { breakOff, connectionSettings, endConnection } from "./connection.ts";
import { noteDatabaseAway } from "./unavailable.ts";

/** What a listener does. */
export interface MessageListener {
  onMessage(payload: string): void;
  /** Called whenever messages may have been missed, such as after the connection broke. */
  onGap(): void;
}

/** Messages between control planes on one database. They may be lost, which listeners are told. */
export interface Messages {
  /** Sends to all listeners of a channel, those of this process included. */
  publish(channel: string, payload: string): Promise<void>;
  /** Resolves once it listens; goes on until the result is called. */
  listen(channel: string, listener: MessageListener): Promise<() => Promise<void>>;
}

/** Milliseconds before a broken connection is replaced. */
const RECONNECT_MS = 1000;
/** Milliseconds for which a server may be silent when it is asked to listen. */
const SILENCE_MS = 60_000;

/** LISTEN and NOTIFY of PostgreSQL, each listener on a connection of its own. */
export class PostgresMessages implements Messages {
  readonly #connections: pg.Pool;
  readonly #url: string;
  readonly #log: Logger;
  readonly #silenceMs: number;

  /** `silenceMs`: after which a server that does not answer is left. */
  constructor(connections: pg.Pool, url: string, log: Logger, silenceMs = SILENCE_MS) {
    this.#connections = connections;
    this.#url = url;
    this.#log = log;
    this.#silenceMs = silenceMs;
  }

  async publish(channel: string, payload: string): Promise<void> {
    await this.#connections.query("select pg_notify($1, $2)", [channel, payload]);
  }

  async listen(channel: string, listener: MessageListener): Promise<() => Promise<void>> {
    const stop = new AbortController();
    const first = await this.#connect(channel, listener, stop.signal);
    const listening = this.#keep(first, channel, listener, stop.signal);
    return async () => {
      stop.abort();
      await listening;
    };
  }

  /** Replaces a connection that ends, until it is told to stop. */
  async #keep(first: Connection, channel: string, listener: MessageListener, stop: AbortSignal): Promise<void> {
    let connection: Connection | undefined = first;
    while (!stop.aborted) {
      if (connection) {
        await connection.endedOr(stop);
        connection = undefined;
        if (stop.aborted) return;
        this.#log.warn({ channel }, "the connection for messages between control planes broke; connecting again");
      }
      await delay(RECONNECT_MS, undefined, { signal: stop }).catch(() => undefined);
      if (stop.aborted) return;
      connection = await this.#connect(channel, listener, stop).catch((error: unknown) => {
        if (!stop.aborted)
          this.#log.warn({ err: error, channel }, "no connection for messages between control planes; trying again");
        return undefined;
      });
      if (connection) listener.onGap();
    }
    await connection?.close();
  }

  async #connect(channel: string, listener: MessageListener, stop: AbortSignal): Promise<Connection> {
    const settings = connectionSettings(this.#url, `warren ${channel}`);
    const client = new pg.Client({ ...settings, query_timeout: this.#silenceMs });
    const connection = new Connection(client);
    const leave = () => breakOff(client);
    stop.addEventListener("abort", leave, { once: true });
    try {
      client.on("notification", ({ payload = "" }) => listener.onMessage(payload));
      await client.connect();
      await client.query(`listen ${client.escapeIdentifier(channel)}`);
      return connection;
    } catch (error) {
      noteDatabaseAway(error as Error);
      await connection.close();
      throw error;
    } finally {
      stop.removeEventListener("abort", leave);
    }
  }
}

/** A connection whose end can be awaited. */
class Connection {
  readonly #client: pg.Client;
  readonly #ended: Promise<void>;

  constructor(client: pg.Client) {
    this.#client = client;
    this.#ended = new Promise((resolve) => {
      client.once("end", () => resolve());
      client.once("error", () => resolve());
    });
    // An error that follows another one would end the process.
    client.on("error", () => undefined);
  }

  /** Resolves, with the connection closed, when it has ended or `stop` is aborted. */
  async endedOr(stop: AbortSignal): Promise<void> {
    const { promise: stopped, resolve } = Promise.withResolvers<void>();
    const onAbort = () => resolve();
    if (stop.aborted) resolve();
    stop.addEventListener("abort", onAbort, { once: true });
    await Promise.race([this.#ended, stopped]);
    stop.removeEventListener("abort", onAbort);
    await this.close();
  }

  async close(): Promise<void> {
    await endConnection(this.#client);
  }
}
