import { createHash, randomBytes } from "node:crypto";
import type pg from "pg";
import { seconds } from "../measure/format.ts";
import { timed } from "../measure/timing.ts";

/** How much there is. */
export const SEED = {
  teams: 1000,
  days: 60,
  /** Sandboxes of a team: those that run, are paused, and are over. */
  running: 4,
  paused: 1,
  over: 45,
  /** Teams with an API key. */
  keys: 100,
};

const HISTORY = [
  { table: "sandbox_metrics_rollups", days: 10, rows: rollups() },
  { table: "sandbox_metrics_snapshots", days: 1, rows: snapshots() },
];

/** Fills a migrated database with teams, their sandboxes and the history of those; returns API keys. */
export async function seed(database: pg.Client): Promise<string[]> {
  // Rows are made in the order in which a server would have written them.
  await database.query("set join_collapse_limit = 1; set synchronous_commit = off");
  await makeTeams(database);
  for (const { table, days, rows } of HISTORY) {
    const { ms } = await timed(() => fill(database, table, days, rows));
    process.stderr.write(`${table}: ${seconds(ms)}\n`);
  }
  const keys = await makeKeys(database);
  await database.query("vacuum analyze");
  return keys;
}

async function makeTeams(database: pg.Client): Promise<void> {
  await database.query(
    `insert into teams (id, name, slug)
     select gen_random_uuid(), 'team', to_char(n, 'fm000000') || '-000000' from generate_series(1, $1::integer) as n`,
    [SEED.teams - 1],
  );
  await database.query("create temporary table numbered as select id, row_number() over (order by id) as n from teams");
  const statuses = [
    ...new Array(SEED.running).fill("running"),
    ...new Array(SEED.paused).fill("paused"),
    ...new Array(SEED.over).fill("stopped"),
  ];
  await database.query(
    `insert into sandboxes (id, team_id, spec, status, created_at)
     select 'sb' || translate(substr(md5(id::text || at), 1, 20), '0189', 'wxyz'), id,
       '{"version":1,"template":"minimal","vcpus":2,"memory_mb":1024}', status, now() - at * interval '1 minute'
     from numbered cross join unnest($1::text[]) with ordinality as wanted (status, at)`,
    [statuses],
  );
}

/** Fills partition after partition; those of the past, which the server has not made, get their index when they are full. */
async function fill(database: pg.Client, table: string, days: number, rows: string): Promise<void> {
  const length = days * 86_400_000;
  const present = Math.floor(Date.now() / length) * length;
  for (let begin = present; begin > Date.now() - (SEED.days + days) * 86_400_000; begin -= length) {
    const [from, to] = [new Date(begin).toISOString(), new Date(Math.min(begin + length, Date.now())).toISOString()];
    if (begin === present) {
      await database.query(`insert into ${table} ${rows} on conflict do nothing`, [from, to]);
      continue;
    }
    const partition = `${table}_${from.slice(0, 10).replaceAll("-", "")}`;
    await database.query(`create table ${partition} (like ${table})`);
    await database.query(`insert into ${partition} ${rows}`, [from, to]);
    await database.query(`alter table ${table} attach partition ${partition} for values from ('${from}') to ('${to}')`);
  }
}

/** Rows between two times, all of them, as a server keeps them. */
function rollups(): string {
  return `
    select id, width, to_timestamp(bucket * width), ${valuesOf("bucket + n")}, false
    from (
      select width, bucket from unnest('{720,21600}'::integer[]) as width
      cross join lateral generate_series(
        ceil(extract(epoch from $1::timestamptz) / width)::bigint, ceil(extract(epoch from $2::timestamptz) / width)::bigint - 1
      ) as bucket
    ) as buckets
    cross join numbered`;
}

/**
 * All of the last 6 hours and of those around the begin of the last 30 days, which queries read, and one an hour of the rest:
 * all would be half a billion.
 */
function snapshots(): string {
  return `
    select id, to_timestamp(slot * 10), ${valuesOf("slot + n")}
    from (
      select slot from generate_series(
        ceil(extract(epoch from $1::timestamptz) / 10)::bigint, ceil(extract(epoch from $2::timestamptz) / 10)::bigint - 1
      ) as slot
      where slot % 360 = 0 or to_timestamp(slot * 10) > now() - interval '6 hours'
        or abs(extract(epoch from now() - interval '30 days') / 10 - slot) < 360
    ) as slots
    cross join numbered`;
}

/** Values that differ from team to team and from time to time. */
function valuesOf(number: string): string {
  return `1 + (${number}) % 20, 2 + (${number}) % 20 * 2, 1024 + (${number}) % 20 * 1024`;
}

async function makeKeys(database: pg.Client): Promise<string[]> {
  const digits = Array.from({ length: SEED.keys }, () => randomBytes(20).toString("hex"));
  const hashes = digits.map((text) => createHash("sha256").update(text).digest("hex"));
  await database.query(
    `insert into team_api_keys (id, team_id, key_hash)
     select gen_random_uuid(), id, hash from unnest($1::text[]) with ordinality as made (hash, at) join numbered on n = at * 7`,
    [hashes],
  );
  return digits.map((text) => `warren_${text}`);
}
