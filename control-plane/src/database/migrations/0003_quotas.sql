-- Limits of teams that differ from the server's defaults; null = the default.
create table team_quotas (
  team_id uuid primary key references teams (id) on delete cascade,
  sandboxes integer check (sandboxes >= 0),
  vcpus integer check (vcpus >= 0),
  memory_mb integer check (memory_mb >= 0),
  templates integer check (templates >= 0),
  disk_mb integer check (disk_mb >= 0)
);

-- Bytes that the host stores for a paused sandbox.
alter table sandboxes add column disk_bytes bigint not null default 0;
