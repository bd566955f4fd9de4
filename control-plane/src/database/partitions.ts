import { sql } from "kysely";
import type { Db } from "./tables.ts";

const DAY_MS = 86_400_000;
/** Days ahead for which there are partitions, so that none is missing when they cannot be made for a while. */
const AHEAD_DAYS = 3;
/**
 * Partitions of a table that one call drops at most, oldest first: a clock that is years ahead for a moment must not take all
 * that was kept.
 */
const DROPS = 2;
/** Rows that one call deletes at most from a default partition. */
const DELETED_ROWS = 50_000;
/** What waits for a lock holds back all who come after it, be they readers. */
const LOCK_TIMEOUT = "500ms";

/** A table that is partitioned by time. Its default partition is called like it, with `_default` at the end. */
export interface PartitionedTable {
  name: string;
  /** Column of the time. */
  column: string;
  /** Days of one partition, which begins at a multiple of that since the epoch. Less than one are some whole hours. */
  days: number;
  /** Days for which rows are kept. */
  keptDays: number;
}

/** Makes the partitions of a table ahead, and drops those whose rows are older than they are kept. */
export class Partitions {
  readonly #db: Db;
  readonly #table: PartitionedTable;

  constructor(db: Db, table: PartitionedTable) {
    this.#db = db;
    this.#table = table;
  }

  /** Does what is due at a time. May be called again at any time; what fails is due still. */
  async maintain(now: Date): Promise<void> {
    const { days, keptDays } = this.#table;
    const length = days * DAY_MS;
    const expired = now.getTime() - keptDays * DAY_MS;
    const begins = await this.#begins();
    const first = Math.floor(now.getTime() / length) * length;
    for (let begin = first; begin <= now.getTime() + AHEAD_DAYS * DAY_MS; begin += length) {
      if (!begins.includes(begin)) await this.#make(begin, begin + length);
    }
    for (const begin of begins.filter((begin) => begin + length <= expired).slice(0, DROPS)) await this.#drop(begin);
    await this.#deleteFromDefault(new Date(expired).toISOString());
  }

  /** Begins of the partitions that there are but for the default one, in milliseconds since the epoch, ascending. */
  async #begins(): Promise<number[]> {
    const { rows } = await sql<{ name: string }>`
      select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
      where inhparent = ${this.#table.name}::regclass
    `.execute(this.#db);
    return rows
      .flatMap(({ name }) => {
        const [, year, month, day, hour = "00"] = /_(\d{4})(\d\d)(\d\d)(\d\d)?$/.exec(name) ?? [];
        return day === undefined ? [] : [Date.parse(`${year}-${month}-${day}T${hour}:00Z`)];
      })
      .sort((a, b) => a - b);
  }

  /** Makes a partition, unless the default one has rows of its time: they stay there, and with them those that follow. */
  async #make(begin: number, end: number): Promise<void> {
    const { name, column } = this.#table;
    const [from, to] = [new Date(begin).toISOString(), new Date(end).toISOString()];
    await this.#locking(async (transaction) => {
      const { rows } = await sql`
        select from ${sql.table(`${name}_default`)}
        where ${sql.ref(column)} >= ${from} and ${sql.ref(column)} < ${to} limit 1
      `.execute(transaction);
      if (rows.length > 0) return;
      await sql`
        create table if not exists ${sql.table(this.#nameOf(begin))} partition of ${sql.table(name)}
        for values from (${sql.lit(from)}) to (${sql.lit(to)})
      `.execute(transaction);
    });
  }

  async #drop(begin: number): Promise<void> {
    await this.#locking((transaction) => sql`drop table ${sql.table(this.#nameOf(begin))}`.execute(transaction));
  }

  async #deleteFromDefault(expired: string): Promise<void> {
    const rest = sql.table(`${this.#table.name}_default`);
    await sql`
      delete from ${rest} where ctid = any(array(
        select ctid from ${rest} where ${sql.ref(this.#table.column)} < ${expired} limit ${DELETED_ROWS}
      ))
    `.execute(this.#db);
  }

  async #locking(work: (transaction: Db) => Promise<unknown>): Promise<void> {
    await this.#db.transaction().execute(async (transaction) => {
      await sql`set local lock_timeout = ${sql.lit(LOCK_TIMEOUT)}`.execute(transaction);
      await work(transaction);
    });
  }

  #nameOf(begin: number): string {
    const digits = new Date(begin).toISOString().replaceAll(/\D/g, "");
    return `${this.#table.name}_${digits.slice(0, this.#table.days < 1 ? 10 : 8)}`;
  }
}
