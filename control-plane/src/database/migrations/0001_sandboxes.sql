-- Teams own everything else; a team without deleted_at is live.
create table teams (
  id uuid primary key,
  name text not null,
  slug text not null unique,
  is_byoc boolean not null default false,
  deleted_at timestamptz,
  created_at timestamptz not null default now()
);

create table team_api_keys (
  id uuid primary key,
  team_id uuid not null references teams (id) on delete cascade,
  name text not null default '',
  -- SHA-256 of the 40 hex digits after the prefix, in hex.
  key_hash text not null unique,
  key_prefix text not null default '',
  created_at timestamptz not null default now(),
  last_used timestamptz
);
create index team_api_keys_team_id on team_api_keys (team_id);

-- team_id is the all-zero UUID for built-in templates, so it has no foreign key.
create table templates (
  name text not null,
  team_id uuid not null,
  type text not null default 'base' check (type in ('base', 'snapshot')),
  vcpus integer not null default 1,
  memory_mb integer not null default 512,
  size_bytes bigint not null default 0,
  created_at timestamptz not null default now(),
  primary key (team_id, name)
);
insert into templates (name, team_id) values ('minimal', '00000000-0000-0000-0000-000000000000');

create table hosts (
  id uuid primary key,
  type text not null default 'regular' check (type in ('regular', 'byoc')),
  team_id uuid references teams (id) on delete set null,
  provider text not null default '',
  availability_zone text not null default '',
  arch text not null default '',
  cpu_cores integer not null default 0,
  memory_mb integer not null default 0,
  disk_gb integer not null default 0,
  -- unix:PATH or an http(s) URL without a path.
  address text not null default '',
  status text not null default 'pending' check (status in ('pending', 'online', 'unreachable', 'offline', 'draining')),
  last_heartbeat_at timestamptz,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index hosts_type on hosts (type);
create index hosts_team_id on hosts (team_id);
create index hosts_status on hosts (status);
-- One row per address, so that a host that registers again keeps its sandboxes.
create unique index hosts_address on hosts (address) where address <> '';

create table sandboxes (
  id text primary key check (id ~ '^sb[a-z2-7]{20}$'),
  team_id uuid not null references teams (id),
  host_id uuid references hosts (id),
  template text not null default 'minimal',
  status text not null default 'pending' check (
    status in (
      'pending', 'starting', 'running', 'pausing', 'paused', 'resuming', 'stopping', 'missing', 'stopped', 'error'
    )
  ),
  -- Counts the changes of status; every change names the version that it expects.
  version integer not null default 1,
  vcpus integer not null default 1,
  memory_mb integer not null default 512,
  timeout_sec integer not null default 0,
  host_ip text not null default '',
  -- What went wrong, for people; set with status 'error'.
  error text,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  last_active_at timestamptz,
  last_updated timestamptz not null default now()
);
create index sandboxes_status on sandboxes (status);
create index sandboxes_host_id_status on sandboxes (host_id, status);
create index sandboxes_team_id_created_at on sandboxes (team_id, created_at desc);

-- Counts placements for all control planes, so that they share one round over the hosts.
create sequence sandbox_placements;
