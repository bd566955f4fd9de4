-- What the owner of a sandbox calls it, and notes about it.
alter table sandboxes add column name text;
alter table sandboxes add column metadata jsonb not null default '{}';
-- A name is free again as soon as its sandbox is on its way out: one that failed can still be moved to 'stopping'.
create unique index sandboxes_name on sandboxes (team_id, name)
  where name is not null and status not in ('stopping', 'stopped', 'error');
