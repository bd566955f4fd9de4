-- Finds what is over for long, and whether anything came of it (family/family-retention.ts).
create index sandboxes_ended on sandboxes (last_updated) where status in ('stopped', 'error');
create index sandboxes_template_id on sandboxes (template_id) where template_id is not null;
create index sandboxes_forked_from on sandboxes (forked_from) where forked_from is not null;
create index templates_source_id on templates (source_id) where source_id is not null;
create index former_templates_source_id on former_templates (source_id) where source_id is not null;
create index former_templates_ended_at on former_templates (ended_at);
