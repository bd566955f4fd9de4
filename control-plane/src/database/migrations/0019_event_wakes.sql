-- Of sandboxes, which change all the time, control planes tell each other after the commit (events/event-waker.ts): NOTIFY
-- within a transaction has all that use it wait for each other until each is on the disk.
create or replace function record_sandbox_event() returns trigger language plpgsql as $$
begin
  insert into events (team_id, type, action, subject, status) values (
    new.team_id,
    'sandbox',
    case
      when tg_op = 'INSERT' then 'created'
      when new.status in ('stopped', 'error') and old.status <> new.status then 'deleted'
      else 'changed'
    end,
    new.id,
    new.status
  );
  return null;
end
$$;
