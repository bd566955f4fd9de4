import pg from "pg";
import { Checkout } from "../measure/checkout.ts";
import { ControlPlane, withDirectory } from "../measure/control-plane.ts";
import { megabytes } from "../measure/format.ts";
import type { BenchOptions } from "../measure/options.ts";
import { PostgresServer } from "../measure/postgres-server.ts";
import { type Figure, formatReport, publishReport } from "../measure/report.ts";

const DAYS = 60;
/** So many that their rows lie between each other in the indexes, as on a server. */
const TEAMS = 5;
const SANDBOXES = 50;
/** For how many hours buckets of a width in seconds are kept. */
const KEPT_HOURS = [
  [10, 6],
  [60, 48],
  [720, 168],
  [21_600, 24 * DAYS],
] as const;

/** What the history of a team that always has something in use, and of a sandbox that always runs, takes on the disk. */
export async function storage({ write }: BenchOptions): Promise<void> {
  const [checkout, postgres] = await Promise.all([Checkout.own(), PostgresServer.start()]);
  try {
    const database = new pg.Client({ connectionString: postgres.url });
    // Migrates the database; a control plane that went on would drop what is older than it keeps.
    await withDirectory(async (directory) => (await ControlPlane.start(checkout, directory, postgres.url)).stop());
    await database.connect();
    await database.query("set synchronous_commit = off");
    const figures = [await measureTeam(database), await measureSandbox(database)];
    await database.end();
    await publishReport("storage", formatReport(figures, "none (no microVM)"), write);
  } finally {
    await postgres.close();
  }
}

/** Rows are written in the order in which a server would: round by round. */
async function measureTeam(database: pg.Client): Promise<Figure> {
  await database.query(
    "create temporary table kept as select gen_random_uuid() as id from generate_series(1, $1::integer)",
    [TEAMS],
  );
  await database.query(
    `insert into sandbox_metrics_snapshots
     select id, at, 4, 8, 4096
     from generate_series(now() - $1 * interval '1 day', now(), interval '10 seconds') as at cross join kept`,
    [DAYS],
  );
  await database.query(
    `insert into sandbox_metrics_rollups
     select id, width, at, 4, 8, 4096, false
     from unnest('{720,21600}'::integer[]) as width
     cross join lateral generate_series(now() - $1 * interval '1 day', now(), width * interval '1 second') as at
     cross join kept`,
    [DAYS],
  );
  const bytes = await sizeOf(database, ["sandbox_metrics_snapshots", "sandbox_metrics_rollups"]);
  return { name: `team with something in use for ${DAYS} days, of ${TEAMS}`, value: megabytes(bytes / TEAMS) };
}

async function measureSandbox(database: pg.Client): Promise<Figure> {
  for (const [width, hours] of KEPT_HOURS) {
    await database.query(
      `insert into sandbox_metric_points (sandbox_id, width_sec, bucket_at, span_ms, cpu_us, rx_bytes, tx_bytes, memory_bytes,
         vmm_memory_bytes, disk_bytes)
       select 'sb' || translate(substr(md5(n::text), 1, 20), '0189', 'wxyz'), $1, at, 1000 * $1, 1000 * n, n, n, 6e7 + n, 2e8 + n, 2e6 + n
       from generate_series(now() - $2 * interval '1 hour', now() - $1 * interval '1 second', $1 * interval '1 second') as at
       cross join generate_series(1, $3::integer) as n`,
      [width, hours, SANDBOXES],
    );
  }
  const bytes = await sizeOf(database, ["sandbox_metric_points"]);
  return { name: `sandbox that has run for ${DAYS} days, of ${SANDBOXES}`, value: megabytes(bytes / SANDBOXES) };
}

/** Bytes of tables with all their partitions and indexes. */
async function sizeOf(database: pg.Client, tables: readonly string[]): Promise<number> {
  const { rows } = await database.query<{ bytes: string }>(
    `select sum(pg_total_relation_size(relid)) as bytes
     from unnest($1::text[]) as name cross join lateral pg_partition_tree(name::regclass)`,
    [tables],
  );
  return Number(rows[0]?.bytes);
}
