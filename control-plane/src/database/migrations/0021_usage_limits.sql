-- What teams may use in each month in UTC, in the units of the API; null = no warning, or no limit.
create table team_usage_limits (
  team_id uuid primary key references teams (id) on delete cascade,
  cpu_minutes_warning bigint check (cpu_minutes_warning between 0 and cpu_minutes_limit),
  cpu_minutes_limit bigint check (cpu_minutes_limit >= 0),
  memory_mb_minutes_warning bigint check (memory_mb_minutes_warning between 0 and memory_mb_minutes_limit),
  memory_mb_minutes_limit bigint check (memory_mb_minutes_limit >= 0),
  egress_bytes_warning bigint check (egress_bytes_warning between 0 and egress_bytes_limit),
  egress_bytes_limit bigint check (egress_bytes_limit >= 0)
);

-- Which of them a team was told that it has reached, so that it is told once in a month of each.
create table usage_notices (
  team_id uuid not null references teams (id) on delete cascade,
  -- Its first day.
  month date not null,
  amount text not null,
  level text not null check (level in ('warning', 'limit')),
  threshold bigint not null,
  primary key (team_id, month, amount, level, threshold)
);

create trigger team_usage_limits_event after insert or update or delete on team_usage_limits for each row
  execute function record_row_event('quota', 'team_id', 'team_id');
create trigger usage_notices_event after insert on usage_notices for each row
  execute function record_row_event('quota', 'team_id', 'team_id');
