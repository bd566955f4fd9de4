-- What sandboxes used, in buckets of width_sec seconds, which begin at multiples of that since the epoch: of 10 s for hours,
-- of 60 s for days, of 720 s for a week, of 21600 s for months. A bucket adds up what the measurements in it say, whenever
-- they come. Partitions by time are made ahead and dropped by the control plane; the default ones take what no other does.
create table sandbox_metric_points (
  sandbox_id text not null,
  width_sec integer not null,
  bucket_at timestamptz not null,
  -- Milliseconds of the bucket that were measured, and what was used in them.
  span_ms double precision not null,
  cpu_us double precision not null,
  rx_bytes double precision not null,
  tx_bytes double precision not null,
  -- Means over those milliseconds; that of the guest's memory is null where the guest said nothing.
  memory_bytes double precision,
  vmm_memory_bytes double precision not null,
  disk_bytes double precision not null,
  primary key (sandbox_id, width_sec, bucket_at)
) partition by list (width_sec);
create table sandbox_metric_points_10s partition of sandbox_metric_points for values in (10) partition by range (bucket_at);
create table sandbox_metric_points_10s_default partition of sandbox_metric_points_10s default;
create table sandbox_metric_points_1m partition of sandbox_metric_points for values in (60) partition by range (bucket_at);
create table sandbox_metric_points_1m_default partition of sandbox_metric_points_1m default;
create table sandbox_metric_points_12m partition of sandbox_metric_points for values in (720) partition by range (bucket_at);
create table sandbox_metric_points_12m_default partition of sandbox_metric_points_12m default;
create table sandbox_metric_points_6h partition of sandbox_metric_points for values in (21600) partition by range (bucket_at);
create table sandbox_metric_points_6h_default partition of sandbox_metric_points_6h default;

-- What of the measurements of a host has come into the tables here; a host gives again what comes after.
create table metric_collections (
  host_id uuid primary key references hosts (id) on delete cascade,
  ledger text not null,
  points bigint not null,
  usage bigint not null
);

-- What each sandbox has used in each day in UTC, as its host counts it: in each of its ledgers it only ever grows.
create table sandbox_usage (
  day date not null,
  sandbox_id text not null,
  ledger text not null,
  team_id uuid not null,
  cpu_us bigint not null,
  memory_mb_ms bigint not null,
  disk_mb_ms bigint not null,
  egress_bytes bigint not null,
  primary key (day, sandbox_id, ledger)
) partition by range (day);
create table sandbox_usage_default partition of sandbox_usage default;
create index sandbox_usage_team on sandbox_usage (team_id, day);

-- The sums of a team, which are kept when those of its sandboxes are not.
create table daily_usage (
  team_id uuid not null,
  day date not null,
  cpu_us bigint not null,
  memory_mb_ms bigint not null,
  disk_mb_ms bigint not null,
  egress_bytes bigint not null,
  primary key (team_id, day)
);
