-- An operator wants the host to take no new sandboxes: it is `draining` again when it was lost and comes back.
alter table hosts add column is_draining boolean not null default false;
update hosts set is_draining = true where status = 'draining';

-- What the sandboxes on each host take, kept by the database itself with every change of a sandbox, so that nothing that is
-- reserved can be lost or stay behind. The row of a host is locked while a sandbox is placed on it.
create table host_loads (
  host_id uuid primary key references hosts (id) on delete cascade,
  -- Whose new sandboxes it takes: the team's whose own it is; the all-zero UUID: of all teams without hosts of their own;
  -- null: nobody's.
  pool uuid,
  -- Sandboxes that have a microVM, or are to have one, and what these were promised.
  sandboxes integer not null default 0,
  vcpus bigint not null default 0,
  memory_mb bigint not null default 0,
  -- The most that the host says it takes; it has the last word.
  sandboxes_limit integer not null default 2147483647,
  memory_mb_limit integer not null default 2147483647,
  processors integer not null default 0,
  -- How full it is, 1 = full; of processors, four vCPUs each count as full.
  load real not null generated always as (
    greatest(
      0,
      sandboxes / nullif(sandboxes_limit, 0)::real,
      memory_mb / nullif(memory_mb_limit, 0)::real,
      vcpus / (4 * nullif(processors, 0)::real)
    )
  ) stored,
  -- Of its last placement.
  turn bigint not null default 0
) with (fillfactor = 50);
create index host_loads_load on host_loads (pool, load, turn) where pool is not null;
create index host_loads_turn on host_loads (pool, turn, host_id) where pool is not null;

create function host_pool(host hosts) returns uuid language sql immutable as $$
  select case
    when host.status <> 'online' or host.address = '' then null
    when host.type = 'byoc' then host.team_id
    else '00000000-0000-0000-0000-000000000000'::uuid
  end
$$;

create function follow_host() returns trigger language plpgsql as $$
begin
  insert into host_loads as load (host_id, pool, sandboxes_limit, memory_mb_limit, processors)
  values (
    new.id,
    host_pool(new),
    coalesce((new.metadata #>> '{load,sandboxes_limit}')::integer, 2147483647),
    coalesce((new.metadata #>> '{load,memory_mb_limit}')::integer, 2147483647),
    new.cpu_cores
  )
  on conflict (host_id) do update set
    pool = excluded.pool,
    sandboxes_limit = excluded.sandboxes_limit,
    memory_mb_limit = excluded.memory_mb_limit,
    processors = excluded.processors;
  return null;
end
$$;
create trigger hosts_made after insert on hosts for each row execute function follow_host();
-- Not with each sign of life.
create trigger hosts_changed
  after update on hosts for each row
  when (
    old.status is distinct from new.status or old.address is distinct from new.address
    or old.type is distinct from new.type or old.team_id is distinct from new.team_id
    or old.cpu_cores is distinct from new.cpu_cores
    or old.metadata #>> '{load,sandboxes_limit}' is distinct from new.metadata #>> '{load,sandboxes_limit}'
    or old.metadata #>> '{load,memory_mb_limit}' is distinct from new.metadata #>> '{load,memory_mb_limit}'
  )
  execute function follow_host();

create function takes_room(status text) returns boolean language sql immutable as $$
  select status not in ('paused', 'stopped', 'error')
$$;

create function count_taken_room() returns trigger language plpgsql as $$
declare
  change record;
begin
  if tg_op = 'INSERT' then
    for change in
      select host_id, count(*) as sandboxes, sum(vcpus) as vcpus, sum(memory_mb) as memory_mb
      from after where host_id is not null and takes_room(status) group by host_id order by host_id
    loop
      perform change_taken_room(change.host_id, change.sandboxes, change.vcpus, change.memory_mb);
    end loop;
  elsif tg_op = 'DELETE' then
    for change in
      select host_id, -count(*) as sandboxes, -sum(vcpus) as vcpus, -sum(memory_mb) as memory_mb
      from before where host_id is not null and takes_room(status) group by host_id order by host_id
    loop
      perform change_taken_room(change.host_id, change.sandboxes, change.vcpus, change.memory_mb);
    end loop;
  else
    -- Hosts in one order, so that two statements that change sandboxes on many do not wait for each other.
    for change in
      select host_id, sum(count) as sandboxes, sum(count * vcpus) as vcpus, sum(count * memory_mb) as memory_mb
      from (
        select 1 as count, host_id, vcpus, memory_mb from after where takes_room(status)
        union all
        select -1, host_id, vcpus, memory_mb from before where takes_room(status)
      ) as rows
      where host_id is not null group by host_id
      having sum(count) <> 0 or sum(count * vcpus) <> 0 or sum(count * memory_mb) <> 0
      order by host_id
    loop
      perform change_taken_room(change.host_id, change.sandboxes, change.vcpus, change.memory_mb);
    end loop;
  end if;
  return null;
end
$$;
create function change_taken_room(host uuid, sandboxes numeric, vcpus numeric, memory_mb numeric) returns void
language sql as $$
  update host_loads as load set
    sandboxes = load.sandboxes + $2,
    vcpus = load.vcpus + $3,
    memory_mb = load.memory_mb + $4
  where load.host_id = $1
$$;
create trigger sandboxes_made_take_room after insert on sandboxes referencing new table as after
  for each statement execute function count_taken_room();
create trigger sandboxes_changed_take_room after update on sandboxes referencing old table as before new table as after
  for each statement execute function count_taken_room();
create trigger sandboxes_removed_take_room after delete on sandboxes referencing old table as before
  for each statement execute function count_taken_room();

insert into host_loads (host_id, pool, sandboxes_limit, memory_mb_limit, processors, sandboxes, vcpus, memory_mb)
select
  host.id,
  host_pool(host),
  coalesce((host.metadata #>> '{load,sandboxes_limit}')::integer, 2147483647),
  coalesce((host.metadata #>> '{load,memory_mb_limit}')::integer, 2147483647),
  host.cpu_cores,
  count(sandbox.id),
  coalesce(sum(sandbox.vcpus), 0),
  coalesce(sum(sandbox.memory_mb), 0)
from hosts as host
left join sandboxes as sandbox on sandbox.host_id = host.id and takes_room(sandbox.status)
group by host.id;
