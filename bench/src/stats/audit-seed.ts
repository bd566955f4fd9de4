import type pg from "pg";

/** Events of one team. */
export const EVENTS = 10_000_000;
/** Of so many events one is of a rare kind, and another by a rare actor: fewer of either than a page has. */
const RARE = 100_000;

const keyId = (digit: string) => `key-${digit.padStart(25, "0")}`;
const sandboxId = (letter: string) => `sb${letter.repeat(20)}`;

/** Whom and what the events are about. */
export const BUSY = { actor: keyId("0"), sandbox: sandboxId("a") };
export const RARE_ACTOR = keyId("z");

/**
 * One event a second back from now, with ids that grow with time as those of a server do. Half of the commands and files are those
 * of one program in one sandbox, the rest those of 99 programs in 1,000 sandboxes.
 */
const ROWS = `
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3) || '8' || substr(noise, 4, 15))::uuid,
    $1::uuid, 'api_key',
    case
      when n % ${RARE} = 7 then '${RARE_ACTOR}'
      when n % 2 = 0 then '${BUSY.actor}'
      else 'key-' || lpad((1 + dice % 99)::text, 25, '0')
    end,
    'robot', resource_type,
    case
      when resource_type <> 'sandbox' then noise
      when n % 2 = 0 then '${BUSY.sandbox}'
      else 'sb' || rpad(translate((dice % 1000)::text, '0123456789', 'bcdefghijk'), 20, 'b')
    end,
    action, case resource_type when 'user' then 'admin' else 'team' end, 'info',
    case action when 'exec' then jsonb_build_object('command', 'python3 -m pytest -q tests/part-' || dice) else '{}' end, at
  from (
    select n, dice, at, md5(n::text) as noise,
      case when kind < 7 then 'sandbox' when kind = 7 then 'user' else 'quota' end as resource_type,
      ('{exec,write_file,create,destroy,pause,resume,fork,log_in,refuse}'::text[])[kind + 1] as action
    from (
      select n, abs(hashint4(n)) as dice, now() - (${EVENTS} - n) * interval '1 second' as at,
        case when n % ${RARE} = 0 then 6
          else ('{0,1,2,3,4,5,7,8}'::integer[])[width_bucket(abs(hashint4(n + 1)) % 1000, '{700,900,930,960,975,990,995}'::integer[]) + 1]
        end as kind
      from generate_series(1, ${EVENTS}) as n offset 0
    ) as kinds offset 0
  ) as events`;

/** Fills the audit log of the team with this UUID. Indexes that are made afterwards take a fraction of the time. */
export async function seedAudit(database: pg.Client, teamId: string): Promise<void> {
  const { rows: indexes } = await database.query(
    "select indexname, indexdef from pg_indexes where tablename = 'audit_logs' and indexname <> 'audit_logs_pkey'",
  );
  for (const { indexname } of indexes) await database.query(`drop index ${indexname}`);
  await database.query("set synchronous_commit = off; set maintenance_work_mem = '512MB'");
  await database.query(
    `insert into audit_logs (id, team_id, actor_type, actor_id, actor_name, resource_type, resource_id, action, scope,
      status, metadata, created_at) ${ROWS}`,
    [teamId],
  );
  for (const { indexdef } of indexes) await database.query(indexdef);
  await database.query("vacuum analyze audit_logs");
}
