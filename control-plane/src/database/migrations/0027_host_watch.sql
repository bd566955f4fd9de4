-- Since when hosts have been watched without a gap, by whichever control plane; one row at most.
create table host_watch (
  id boolean primary key default true check (id),
  since timestamptz not null,
  last_round_at timestamptz not null
);
