-- What each team had in use, every ten seconds. No row is written while a team has nothing in use, but for one of zeros
-- when that begins. Partitions of one day are made ahead and dropped after 60 days by the control plane; the default one
-- takes what no other does: rows of a backup, and of times to which a clock was set.
create table sandbox_metrics_snapshots (
  team_id uuid not null,
  sampled_at timestamptz not null,
  running_count integer not null,
  vcpus_reserved integer not null,
  memory_mb_reserved integer not null,
  primary key (team_id, sampled_at)
) partition by range (sampled_at);
create table sandbox_metrics_snapshots_default partition of sandbox_metrics_snapshots default;

-- Greatest values of the snapshots of a team in buckets of width_sec seconds, which begin at multiples of that since the epoch.
create table sandbox_metrics_rollups (
  team_id uuid not null,
  width_sec integer not null,
  bucket_at timestamptz not null,
  running_count integer not null,
  vcpus_reserved integer not null,
  memory_mb_reserved integer not null,
  -- The last snapshot of the bucket is one of zeros.
  ends_idle boolean not null,
  primary key (team_id, width_sec, bucket_at)
) partition by range (bucket_at);
create table sandbox_metrics_rollups_default partition of sandbox_metrics_rollups default;

-- Teams whose last snapshot is not one of zeros.
create table sandbox_metrics_active (
  team_id uuid primary key
);

-- Sandboxes that are not over: of a team that has had many, few.
create index sandboxes_live on sandboxes (team_id, created_at desc, id desc) where status not in ('stopped', 'error');
