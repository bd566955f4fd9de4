-- Events say why, and tell of hosts.
alter table events add column reason jsonb;

create or replace function record_sandbox_event() returns trigger language plpgsql as $$
begin
  insert into events (team_id, type, action, subject, status, reason) values (
    new.team_id,
    'sandbox',
    case
      when tg_op = 'INSERT' then 'created'
      when new.status in ('stopped', 'error') and old.status <> new.status then 'deleted'
      else 'changed'
    end,
    new.id,
    new.status,
    -- What a guest has printed is no part of a message.
    new.reason - 'console'
  );
  return null;
end
$$;

-- Of hosts that all teams share, only the platform is told.
create function record_host_event() returns trigger language plpgsql as $$
declare
  host hosts := case when tg_op = 'DELETE' then old else new end;
begin
  perform record_event(
    coalesce(host.team_id, '00000000-0000-0000-0000-000000000000'),
    'host',
    case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'changed' else 'deleted' end,
    host.id::text,
    host.status
  );
  return null;
end
$$;
create trigger hosts_event after insert or delete on hosts for each row execute function record_host_event();
-- Not of signs of life, which come all the time.
create trigger hosts_changed_event after update of status, address, team_id on hosts for each row
  when (
    old.status is distinct from new.status or old.address is distinct from new.address
    or old.team_id is distinct from new.team_id
  )
  execute function record_host_event();

create table webhooks (
  id uuid primary key,
  -- Null for one of the platform.
  team_id uuid references teams (id) on delete cascade,
  name text not null,
  -- Sealed, as are the secrets: the addresses of chats let whoever has them write there.
  url text not null,
  format text not null,
  events text[] not null,
  enabled boolean not null,
  secret text not null,
  previous_secret text,
  previous_valid_until timestamptz,
  disabled_reason text,
  -- First failure since the last success, and whether a delivery has been given up since.
  failing_since timestamptz,
  has_given_up boolean not null default false,
  created_by uuid references users (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index webhooks_team_id on webhooks (team_id);

create table webhook_deliveries (
  id uuid primary key,
  webhook_id uuid not null references webhooks (id) on delete cascade,
  event text not null,
  payload text not null,
  status text not null default 'pending' check (status in ('pending', 'delivered', 'failed')),
  -- Attempts since it was made, or sent again, and those of all its time.
  tries integer not null default 0,
  attempts integer not null default 0,
  -- While an attempt is under way, when another one begins if nothing is heard of it.
  next_attempt_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  last_attempt_at timestamptz,
  duration_ms integer,
  response_status integer,
  response text,
  error text
);
-- Ids are in the order of time.
create index webhook_deliveries_webhook_id on webhook_deliveries (webhook_id, id);
create index webhook_deliveries_pending on webhook_deliveries (webhook_id, next_attempt_at) where status = 'pending';
create index webhook_deliveries_created_at on webhook_deliveries (created_at);

-- One row: up to where webhooks have been told of events; null while there is none that is.
create table webhook_cursor (
  is_only boolean primary key default true check (is_only),
  position text,
  -- Events of this transaction and later ones may be lacking, and are kept.
  oldest xid8
);
insert into webhook_cursor default values;
