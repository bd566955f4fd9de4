-- Who did what. Rows come in and leave with their age; nothing else happens to them, see the triggers.
create table audit_logs (
  id uuid primary key,
  -- Team that the event is about, which may be gone; the all-zero UUID for the platform itself.
  team_id uuid not null,
  actor_type text not null check (actor_type in ('user', 'api_key', 'system')),
  -- Id as clients know it; empty for the system.
  actor_id text not null default '',
  actor_name text not null default '',
  resource_type text not null,
  resource_id text,
  action text not null,
  scope text not null default 'team' check (scope in ('team', 'admin')),
  status text not null default 'success' check (status in ('success', 'info', 'warning', 'error')),
  metadata jsonb not null default '{}',
  created_at timestamptz not null default clock_timestamp()
);
-- Each filter that a page is read by has the events it lets through in the order of the page.
create index audit_logs_scope on audit_logs (team_id, scope, created_at desc, id desc);
create index audit_logs_event on audit_logs (team_id, resource_type, action, created_at desc, id desc);
create index audit_logs_actor on audit_logs (team_id, actor_id, created_at desc, id desc);
create index audit_logs_resource on audit_logs (team_id, resource_id, created_at desc, id desc)
  where resource_id is not null;
-- Finds the old ones, which stand together, at next to no cost.
create index audit_logs_age on audit_logs using brin (created_at);

-- The setting warren.audit_kept_days, which retention alone sets, in its own transaction, lets rows of that age go. It is
-- one day at least, whoever sets it.
create or replace function audit_logs_refuse() returns trigger language plpgsql as $$
declare
  kept text := nullif(current_setting('warren.audit_kept_days', true), '');
begin
  if tg_op = 'TRUNCATE' then
    -- One of an empty table changes nothing, and a restore begins with it.
    if not exists (select from audit_logs) then
      return null;
    end if;
  elsif tg_op = 'DELETE' and old.created_at < now() - greatest(1, kept::integer) * interval '1 day' and kept is not null then
    return old;
  end if;
  raise exception 'audit_logs takes new rows only, and old ones leave by its retention'
    using errcode = 'restrict_violation';
end
$$;
create trigger audit_logs_rows before update or delete on audit_logs
  for each row execute function audit_logs_refuse();
create trigger audit_logs_whole before truncate on audit_logs
  for each statement execute function audit_logs_refuse();
-- Also in a session that applies what another server has written.
alter table audit_logs enable always trigger audit_logs_rows;
alter table audit_logs enable always trigger audit_logs_whole;

-- Whether the start of commands is recorded.
alter table teams add column audit_exec boolean not null default true;

-- What is under way in a sandbox that is being created, paused or resumed, and who asked for it: {"action","actor",…}.
alter table sandboxes add column operation jsonb;
