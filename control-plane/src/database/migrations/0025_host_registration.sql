alter table hosts
  add column created_by uuid references users (id) on delete set null,
  -- Counts the registrations of the host: tokens of an earlier one are worth nothing.
  add column registration integer not null default 0;

-- Registration tokens of hosts, for the record. The secret itself is in Redis or in one_time_tokens.
create table host_tokens (
  id uuid primary key,
  host_id uuid not null references hosts (id) on delete cascade,
  created_by uuid references users (id) on delete set null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz
);
create index host_tokens_host_id on host_tokens (host_id);

create table host_refresh_tokens (
  id uuid primary key,
  host_id uuid not null references hosts (id) on delete cascade,
  -- SHA-256, in hex.
  token_hash text not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz
);
create index host_refresh_tokens_host_id on host_refresh_tokens (host_id);

create table host_tags (
  host_id uuid not null references hosts (id) on delete cascade,
  tag text not null,
  primary key (host_id, tag)
);
create index host_tags_tag on host_tags (tag);

-- Secrets that work once, and what they stand for, where no Redis keeps them.
create table one_time_tokens (
  -- SHA-256, in hex.
  token_hash text primary key,
  value text not null,
  expires_at timestamptz not null
);
create index one_time_tokens_expires_at on one_time_tokens (expires_at);
