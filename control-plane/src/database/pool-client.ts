import type pg from "pg";
import { boundEnd, breakOff } from "./connection.ts";
import { PreparingClient } from "./prepared-statements.ts";
import { noteDatabaseAway } from "./unavailable.ts";

/** Milliseconds. */
export interface Limits {
  /** In which a statement, and a pause between those of a transaction, is over: the server ends it. */
  statement: number;
  /** In which a statement is answered: a server that is silent for longer is left. */
  silence: number;
}

/** All that requests ask of a database takes a fraction of it. */
const LIMITS: Limits = { statement: 30_000, silence: 60_000 };

interface PoolClientConfig extends pg.ClientConfig {
  limits?: Limits;
}

/** A connection of the pool. One that breaks fails what is under way on it, and so does one that stays silent. */
export class PoolClient extends PreparingClient {
  readonly #limits: Limits;
  #bounded = true;
  #silence: NodeJS.Timeout | undefined;

  constructor(config?: PoolClientConfig) {
    super(config);
    this.#limits = config?.limits ?? LIMITS;
    // Without a listener an error would end the process: the pool has one only while nobody uses the connection.
    this.on("error", (error) => {
      noteDatabaseAway(error);
      clearTimeout(this.#silence);
    });
    for (const event of ["drain", "end"] as const) this.on(event, () => clearTimeout(this.#silence));
  }

  // biome-ignore lint/suspicious/noExplicitAny: one signature stands for both of pg's.
  override connect(callback?: any): any {
    if (callback === undefined) return super.connect();
    super.connect((error: Error) => {
      if (error) noteDatabaseAway(error);
      callback(error);
    });
  }

  // biome-ignore lint/suspicious/noExplicitAny: one signature stands for all of pg's.
  override query(statement: any, ...rest: any[]): any {
    clearTimeout(this.#silence);
    if (this.#bounded) this.#silence = setTimeout(() => this.#leave(), this.#limits.silence).unref();
    return super.query(statement, ...(rest as []));
  }

  // biome-ignore lint/suspicious/noExplicitAny: one signature stands for both of pg's.
  override end(callback?: any): any {
    boundEnd(this);
    return callback === undefined ? super.end() : super.end(callback);
  }

  /** Has the server end what takes too long. */
  setLimits(): Promise<void> {
    return this.#setLimit(this.#limits.statement);
  }

  /** Does something that takes as long as it takes. The connection is of no further use when it fails. */
  async withoutLimits<T>(work: () => Promise<T>): Promise<T> {
    this.#bounded = false;
    await this.#setLimit(0);
    const result = await work();
    this.#bounded = true;
    await this.setLimits();
    return result;
  }

  async #setLimit(milliseconds: number): Promise<void> {
    await this.query(
      `set statement_timeout = ${milliseconds}; set idle_in_transaction_session_timeout = ${milliseconds}`,
    );
  }

  #leave(): void {
    // What waits is failed by it. `end` would wait for the server.
    breakOff(this);
  }
}
