import { SANDBOX_ID } from "@warren/contracts/identifiers";
import { sql } from "kysely";
import type { Db } from "../database/tables.ts";
import { bucketsOf, type MeasuredSpan } from "./metric-buckets.ts";
import type { MetricCollectionsTable } from "./metric-tables.ts";

/** What of a host's measurements is kept, as the host names it. */
export type Collection = Omit<MetricCollectionsTable, "host_id">;

/** Writes what hosts have measured. */
export class MetricStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** What of the measurements of a host is kept; undefined before its first. */
  async collectionOf(hostId: string): Promise<Collection | undefined> {
    return this.#db
      .selectFrom("metric_collections")
      .select(["ledger", "points", "usage"])
      .where("host_id", "=", hostId)
      .executeTakeFirst();
  }

  /** Notes what is kept, in the transaction that keeps it; false when it is not `before` that was kept until then. */
  async advance(hostId: string, before: Collection | undefined, after: Collection, transaction: Db): Promise<boolean> {
    if (before === undefined) {
      const { numInsertedOrUpdatedRows } = await transaction
        .insertInto("metric_collections")
        .values({ host_id: hostId, ...after })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirstOrThrow();
      return numInsertedOrUpdatedRows === 1n;
    }
    const { numUpdatedRows } = await transaction
      .updateTable("metric_collections")
      .set(after)
      .where("host_id", "=", hostId)
      .where("ledger", "=", before.ledger)
      .where("points", "=", before.points)
      .where("usage", "=", before.usage)
      .executeTakeFirstOrThrow();
    return numUpdatedRows === 1n;
  }

  /** Adds spans to the buckets that they lie in. Those of sandboxes that are none of the host's are left out. */
  async add(hostId: string, spans: readonly MeasuredSpan[], now: number, transaction: Db): Promise<void> {
    const buckets = bucketsOf(
      spans.filter(({ sandboxId }) => SANDBOX_ID.test(sandboxId)),
      now,
    );
    if (buckets.length === 0) return;
    const column = <T>(of: (bucket: (typeof buckets)[number]) => T) => buckets.map(of);
    await sql`
      insert into sandbox_metric_points as kept
      select given.* from unnest(
        ${column(({ sandboxId }) => sandboxId)}::text[], ${column(({ widthSec }) => widthSec)}::integer[],
        ${column(({ begin }) => new Date(begin))}::timestamptz[], ${column(({ spanMs }) => spanMs)}::float8[],
        ${column(({ cpuUs }) => cpuUs)}::float8[], ${column(({ rxBytes }) => rxBytes)}::float8[],
        ${column(({ txBytes }) => txBytes)}::float8[], ${column(({ memoryBytes }) => memoryBytes ?? null)}::float8[],
        ${column(({ vmmMemoryBytes }) => vmmMemoryBytes)}::float8[], ${column(({ diskBytes }) => diskBytes)}::float8[]
      ) as given (
        sandbox_id, width_sec, bucket_at, span_ms, cpu_us, rx_bytes, tx_bytes, memory_bytes, vmm_memory_bytes, disk_bytes
      )
      join sandboxes on sandboxes.id = given.sandbox_id and sandboxes.host_id = ${hostId}
      order by given.sandbox_id, given.width_sec, given.bucket_at
      on conflict (sandbox_id, width_sec, bucket_at) do update set
        span_ms = kept.span_ms + excluded.span_ms,
        cpu_us = kept.cpu_us + excluded.cpu_us,
        rx_bytes = kept.rx_bytes + excluded.rx_bytes,
        tx_bytes = kept.tx_bytes + excluded.tx_bytes,
        memory_bytes = coalesce(${mean("memory_bytes")}, kept.memory_bytes, excluded.memory_bytes),
        vmm_memory_bytes = ${mean("vmm_memory_bytes")},
        disk_bytes = ${mean("disk_bytes")}
    `.execute(transaction);
  }
}

/** Mean of what a row `kept` has and what one that conflicts with it has, by the milliseconds that each stands for. */
function mean(column: string) {
  const [kept, excluded] = [sql.ref(`kept.${column}`), sql.ref(`excluded.${column}`)];
  return sql`(${kept} * kept.span_ms + ${excluded} * excluded.span_ms) / (kept.span_ms + excluded.span_ms)`;
}
