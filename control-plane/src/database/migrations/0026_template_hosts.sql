-- Which hosts have the files of a template that was made of a sandbox. Those of built-in ones are on every host.
create table template_hosts (
  template_id uuid not null references templates (id) on delete cascade,
  host_id uuid not null references hosts (id) on delete cascade,
  noted_at timestamptz not null default now(),
  primary key (template_id, host_id)
);
create index template_hosts_host_id on template_hosts (host_id);
insert into template_hosts (template_id, host_id) select id, host_id from templates where host_id is not null;

alter table templates
  drop column host_id,
  -- Id of its snapshot on every host that has it; null for built-in templates, and until a host has told it.
  add column snapshot_id text;

-- Templates that hosts are to remove, kept until each has confirmed it and a while beyond: a host may come back with an
-- older state of its disk.
create table template_deletions (
  host_id uuid not null references hosts (id) on delete cascade,
  team_id uuid not null,
  name text not null,
  -- Empty = whatever the host has under the name.
  snapshot_id text not null default '',
  created_at timestamptz not null default now(),
  confirmed_at timestamptz,
  primary key (host_id, team_id, name, snapshot_id)
);
create index template_deletions_open on template_deletions (host_id) where confirmed_at is null;
create index template_deletions_confirmed_at on template_deletions (confirmed_at) where confirmed_at is not null;
