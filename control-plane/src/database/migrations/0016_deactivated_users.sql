-- Since when an administrator has shut the user out; null = not at all.
alter table users add column deactivated_at timestamptz;
