import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { Logger } from "../logging.ts";
import { breakOff, connectionSettings, endConnection } from "./connection.ts";

/** Decides which of several control planes on one database does what must be done once. */
export interface Leadership {
  /**
   * Runs `task` whenever this process is the leader for `name`, until `signal` is aborted. The task's own signal is
   * aborted when leadership is lost or the caller stops; it must then return. Resolves once all has ended.
   */
  lead(name: string, task: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void>;
}

/** Milliseconds before a broken connection is replaced. */
const RECONNECT_MS = 1000;

/** Milliseconds between the signs of life that a leader gives to the server, and in which each must be answered. */
const BEAT_MS = 1500;
const ANSWER_MS = 3000;
/**
 * Milliseconds after the last sign of life at which the server ends the session of a leader, and with it the lock: more than a
 * leader takes to notice by itself that it has lost the server, so that no two lead, and less than the ten seconds in which
 * another one takes over from a leader that hangs, or whose machine is cut off.
 */
const SILENCE_MS = 6000;

/**
 * Leadership by a session advisory lock on a connection of its own: the server releases it when the connection ends,
 * however that happens (PostgreSQL documentation, section 13.3.5).
 */
export class PostgresLeadership implements Leadership {
  readonly #url: string;
  readonly #log: Logger;

  constructor(url: string, log: Logger) {
    this.#url = url;
    this.#log = log;
  }

  async lead(name: string, task: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#leadOnce(name, task, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn({ err: error, leadership: name }, "leadership was lost; trying again");
        await delay(RECONNECT_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #leadOnce(name: string, task: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const client = new pg.Client(connectionSettings(this.#url, `warren ${name}`));
    const lost = new AbortController();
    client.on("error", (error) => lost.abort(error));
    client.on("end", () => lost.abort(new Error("the database connection ended")));
    // Ends a wait for the lock too: pg destroys the connection when a query is under way.
    const stop = () => void endConnection(client);
    try {
      // A client that is ended while it connects never settles, so the signal is looked at afterwards.
      await client.connect();
      signal.throwIfAborted();
      signal.addEventListener("abort", stop, { once: true });
      await answered(client, `set idle_session_timeout = ${SILENCE_MS}`);
      await client.query("select pg_advisory_lock($1::bigint)", [lockKey(name)]);
      this.#log.info({ leadership: name }, "leading");
      const leading = AbortSignal.any([signal, lost.signal]);
      void beat(client, leading).catch((error: unknown) => {
        if (leading.aborted) return;
        lost.abort(error);
        breakOff(client);
      });
      await task(leading);
      lost.signal.throwIfAborted();
    } finally {
      lost.abort();
      signal.removeEventListener("abort", stop);
      await endConnection(client);
    }
  }
}

/** Gives signs of life until it is told to stop; rejects when the server does not answer one. */
async function beat(client: pg.Client, stop: AbortSignal): Promise<void> {
  for (;;) {
    await delay(BEAT_MS, undefined, { signal: stop });
    await answered(client, "select");
  }
}

/** Runs a statement that takes no time; rejects when the server does not answer it. */
async function answered(client: pg.Client, statement: string): Promise<void> {
  const timer = new AbortController();
  const late = delay(ANSWER_MS, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`the database has not answered for ${ANSWER_MS} ms`);
  });
  await Promise.race([client.query(statement), late]).finally(() => timer.abort());
}

/** Advisory lock key of a name: the first 64 bits of its SHA-256, signed. */
function lockKey(name: string): string {
  return createHash("sha256").update(`warren leadership ${name}`).digest().readBigInt64BE().toString();
}
