-- What sandboxes and templates were made of, which stays known when that is gone (family/family-reads.ts).
alter table templates
  -- Another for each template that has had the name.
  add column id uuid not null default gen_random_uuid(),
  -- Sandbox that it was made of; null for base images, and for templates from before this column.
  add column source_id text;
create unique index templates_id on templates (id);

-- Templates that were deleted, or replaced by another of their name.
create table former_templates (
  id uuid primary key,
  team_id uuid not null,
  name text not null,
  source_id text,
  created_at timestamptz not null,
  ended_at timestamptz not null default now()
);
create index former_templates_team_id on former_templates (team_id, ended_at desc);

create function keep_former_template() returns trigger language plpgsql as $$
begin
  insert into former_templates (id, team_id, name, source_id, created_at)
  values (old.id, old.team_id, old.name, old.source_id, old.created_at);
  return null;
end
$$;
create trigger templates_replaced after update of id on templates for each row
  when (old.id <> new.id)
  execute function keep_former_template();
create trigger templates_deleted after delete on templates for each row execute function keep_former_template();

alter table sandboxes
  -- Of `templates` or `former_templates`; null where it is not known.
  add column template_id uuid,
  -- Sandbox of which it is a copy.
  add column forked_from text;
update sandboxes set template_id = (
  select templates.id from templates
  where templates.name = sandboxes.spec ->> 'template'
    and templates.team_id in (sandboxes.team_id, '00000000-0000-0000-0000-000000000000')
    and templates.created_at <= sandboxes.created_at
  order by templates.team_id = sandboxes.team_id desc
  limit 1
);
