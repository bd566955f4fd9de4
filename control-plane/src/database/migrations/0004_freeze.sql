-- What inactivity leads to, and whether a call resumes a paused sandbox.
alter table sandboxes add column on_timeout text not null default 'pause' check (on_timeout in ('pause', 'destroy'));
alter table sandboxes add column auto_resume boolean not null default false;

-- Host that has the files of a snapshot; null for built-in templates, which every host has.
alter table templates add column host_id uuid references hosts (id);
create index templates_host_id on templates (host_id);
