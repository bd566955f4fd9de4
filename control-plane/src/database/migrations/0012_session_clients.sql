alter table user_sessions
  -- Written every few seconds.
  add column last_used_at timestamptz not null default now(),
  -- What the client said of itself when the session was opened; null = nothing.
  add column user_agent text,
  -- Address from which the session was opened; null = before this was noted.
  add column address text;
update user_sessions set last_used_at = created_at;
