-- Tokens of mails by which a new password is set, until they are used or another one is set.
create table password_resets (
  -- SHA-256, in hex.
  token_hash text primary key,
  user_id uuid not null unique references users (id) on delete cascade,
  expires_at timestamptz not null
);
create index password_resets_expires_at on password_resets (expires_at);
