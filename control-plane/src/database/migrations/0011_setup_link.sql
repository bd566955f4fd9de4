-- The link to the page that makes the first account. There is at most one; making another replaces it.
create table setup_link (
  only_one boolean primary key default true check (only_one),
  -- SHA-256 of the token, in hex.
  token_hash text not null,
  expires_at timestamptz not null
);
