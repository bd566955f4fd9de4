-- When it was shown that the address is the user's, by a provider or a mail; null = never.
alter table users add column email_verified_at timestamptz;
update users set email_verified_at = identity.created_at from oauth_providers as identity
where identity.user_id = users.id and identity.email = users.email;

-- Tokens of mails that were not redeemed.
create table email_verifications (
  -- SHA-256, in hex.
  token_hash text primary key,
  user_id uuid not null references users (id) on delete cascade,
  email text not null,
  expires_at timestamptz not null
);
create index email_verifications_user_id on email_verifications (user_id);
create index email_verifications_expires_at on email_verifications (expires_at);
