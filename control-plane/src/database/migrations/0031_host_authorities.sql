-- Who signs the certificates of hosts and of the control planes that call them. There is one.
create table host_authorities (
  id text primary key,
  -- PEM.
  certificate text not null,
  -- PEM, sealed.
  private_key text not null,
  created_at timestamptz not null default now()
);
