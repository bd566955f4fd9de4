-- What has happened to what a team has, for streams of events. A row is written by the transaction of the change; readers go
-- by the transactions that they have seen (events/event-position.ts), since numbers are not given in the order of commits.
create table events (
  xid xid8 not null default pg_current_xact_id(),
  id bigint not null generated always as identity,
  team_id uuid not null,
  type text not null,
  action text not null check (action in ('created', 'changed', 'deleted')),
  -- Id of what has changed, or the name of a template.
  subject text not null,
  -- Of a sandbox, after the change.
  status text,
  at timestamptz not null default clock_timestamp(),
  primary key (xid, id)
);
create index events_team_id on events (team_id, xid, id);

-- One row. The log has another name in each database, whose transactions are counted anew.
create table event_log (
  is_only boolean primary key default true check (is_only),
  name text not null check (name ~ '^[0-9a-f]{8}$'),
  -- Events of transactions up to this one have been removed.
  removed xid8 not null default '0'
);

create function record_event(team uuid, type text, action text, subject text, status text) returns void
language plpgsql as $$
begin
  insert into events (team_id, type, action, subject, status) values ($1, $2, $3, $4, $5);
  perform pg_notify('warren_events', '');
end
$$;

create function record_sandbox_event() returns trigger language plpgsql as $$
begin
  perform record_event(
    new.team_id,
    'sandbox',
    case
      when tg_op = 'INSERT' then 'created'
      when new.status in ('stopped', 'error') and old.status <> new.status then 'deleted'
      else 'changed'
    end,
    new.id,
    new.status
  );
  return null;
end
$$;
create trigger sandboxes_created after insert on sandboxes for each row execute function record_sandbox_event();
-- Not of renewed leases and times of activity, which come all the time.
create trigger sandboxes_changed
  after update of status, version, name, metadata, spec, reason, error, disk_bytes on sandboxes for each row
  when (
    old.version is distinct from new.version or old.name is distinct from new.name
    or old.spec is distinct from new.spec or old.reason is distinct from new.reason
    or old.error is distinct from new.error or old.disk_bytes is distinct from new.disk_bytes
    or old.metadata is distinct from new.metadata
  )
  execute function record_sandbox_event();

-- Of tables whose rows come, change and go. Arguments: type of the event, column of the team, column of the subject.
create function record_row_event() returns trigger language plpgsql as $$
declare
  changed jsonb := to_jsonb(case when tg_op = 'DELETE' then old else new end);
begin
  perform record_event(
    (changed ->> tg_argv[1])::uuid,
    tg_argv[0],
    case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'changed' else 'deleted' end,
    changed ->> tg_argv[2],
    null
  );
  return null;
end
$$;
create trigger templates_event after insert or update or delete on templates for each row
  execute function record_row_event('template', 'team_id', 'name');
create trigger team_api_keys_event after insert or delete on team_api_keys for each row
  execute function record_row_event('api_key', 'team_id', 'id');
create trigger team_api_keys_changed after update of name, scopes, expires_at, created_by on team_api_keys for each row
  execute function record_row_event('api_key', 'team_id', 'id');
create trigger users_teams_event after insert or delete on users_teams for each row
  execute function record_row_event('member', 'team_id', 'user_id');
create trigger users_teams_changed after update of role on users_teams for each row
  when (old.role is distinct from new.role)
  execute function record_row_event('member', 'team_id', 'user_id');
create trigger team_quotas_event after insert or update or delete on team_quotas for each row
  execute function record_row_event('quota', 'team_id', 'team_id');

create function record_team_event() returns trigger language plpgsql as $$
begin
  perform record_event(
    new.id,
    'team',
    case
      when tg_op = 'INSERT' then 'created'
      when new.deleted_at is not null and old.deleted_at is null then 'deleted'
      else 'changed'
    end,
    new.id::text,
    null
  );
  return null;
end
$$;
create trigger teams_event after insert on teams for each row execute function record_team_event();
create trigger teams_changed after update of name, is_byoc, api_keys_by_admins, deleted_at on teams for each row
  execute function record_team_event();

-- Members are shown with the names and addresses of their accounts.
create function record_user_event() returns trigger language plpgsql as $$
begin
  perform record_event(team_id, 'member', 'changed', user_id::text, null) from users_teams where user_id = new.id;
  return null;
end
$$;
create trigger users_changed after update of name, email, email_verified_at on users for each row
  when (
    old.name is distinct from new.name or old.email is distinct from new.email
    or (old.email_verified_at is null) is distinct from (new.email_verified_at is null)
  )
  execute function record_user_event();
