-- Sandboxes that end unless their client renews the lease; both columns are null for all others. lease_expires_at is also
-- null until the sandbox runs.
alter table sandboxes add column lease_sec integer;
alter table sandboxes add column lease_expires_at timestamptz;
create index sandboxes_lease_expires_at on sandboxes (lease_expires_at) where lease_expires_at is not null;
