-- What is decided about a sandbox is one document with a version, whose fields are those of SandboxSpec in
-- contracts/src/rest/sandbox-spec.ts. vcpus and memory_mb, which quotas add up, are computed from it.
alter table sandboxes add column spec jsonb;
update sandboxes set spec = jsonb_build_object(
  'version', 1,
  'template', template,
  'vcpus', vcpus,
  'memory_mb', memory_mb,
  'timeout_sec', timeout_sec,
  'on_timeout', on_timeout,
  'auto_resume', auto_resume
);
alter table sandboxes
  alter column spec set not null,
  drop column template,
  drop column vcpus,
  drop column memory_mb,
  drop column timeout_sec,
  drop column on_timeout,
  drop column auto_resume;
alter table sandboxes
  add column vcpus integer not null generated always as ((spec ->> 'vcpus')::integer) stored,
  add column memory_mb integer not null generated always as ((spec ->> 'memory_mb')::integer) stored;
