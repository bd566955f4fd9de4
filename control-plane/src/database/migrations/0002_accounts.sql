create table users (
  id uuid primary key,
  -- Trimmed and in lower case.
  email text not null unique,
  name text not null default '',
  -- Argon2id in PHC format; null = the account signs in through a provider only.
  password_hash text,
  -- Administrator of the platform, with every permission.
  is_admin boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
-- Serves searches by the start of an address, whatever the collation.
create index users_email_prefix on users (email text_pattern_ops);

-- Identities at OAuth providers.
create table oauth_providers (
  provider text not null,
  provider_id text not null,
  user_id uuid not null references users (id) on delete cascade,
  email text not null,
  created_at timestamptz not null default now(),
  primary key (provider, provider_id)
);
create index oauth_providers_user_id on oauth_providers (user_id);

-- States of OAuth sign-ins that came back, kept until they would have expired, so that none is used twice.
create table oauth_used_states (
  state_hash text primary key,
  expires_at timestamptz not null
);
create index oauth_used_states_expires_at on oauth_used_states (expires_at);

create table users_teams (
  user_id uuid not null references users (id) on delete cascade,
  team_id uuid not null references teams (id) on delete cascade,
  is_default boolean not null default false,
  role text not null default 'member' check (role in ('owner', 'admin', 'member')),
  created_at timestamptz not null default now(),
  primary key (team_id, user_id)
);
create index users_teams_user_id on users_teams (user_id);
create unique index users_teams_one_owner on users_teams (team_id) where role = 'owner';
create unique index users_teams_one_default on users_teams (user_id) where is_default;

-- Rights of users who do not administer the whole platform.
create table admin_permissions (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  permission text not null,
  created_at timestamptz not null default now(),
  unique (user_id, permission)
);

-- A session token is valid while its row is there.
create table user_sessions (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index user_sessions_user_id on user_sessions (user_id);

-- Keys that sign tokens, unless the settings name one. The newest signs; the others verify what they have signed.
create table signing_keys (
  kid text primary key,
  -- 32 random bytes in base64url.
  secret text not null,
  created_at timestamptz not null default now()
);

alter table teams add column api_keys_by_admins boolean not null default false;

alter table team_api_keys
  -- Null for the key that the server made at its first start.
  add column created_by uuid references users (id) on delete set null,
  add column scopes text[] not null default '{sandboxes,templates,read}'
    check (scopes <@ '{sandboxes,templates,read}' and cardinality(scopes) > 0),
  add column expires_at timestamptz;

-- Counters of attempts, by a hash of who tries what.
create table rate_limits (
  key text primary key,
  -- Theoretical arrival time of the generic cell rate algorithm; a row in the past is as good as none.
  tat timestamptz not null
);
create index rate_limits_tat on rate_limits (tat);

-- Attempts to sign in that have not succeeded, by a hash of account and network.
create table login_attempts (
  key text primary key,
  failures integer not null,
  locked_until timestamptz not null,
  -- When the row is as good as none.
  forget_at timestamptz not null
);
create index login_attempts_forget_at on login_attempts (forget_at);
