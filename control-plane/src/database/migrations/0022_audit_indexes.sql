-- Events of one kind are found at once among all that one actor did, and all that happened to one resource: a kind that is
-- rare there was looked for in all of it.
drop index audit_logs_actor;
drop index audit_logs_resource;
create index audit_logs_actor on audit_logs (team_id, actor_id, resource_type, action, created_at desc, id desc);
create index audit_logs_resource on audit_logs (team_id, resource_id, resource_type, action, created_at desc, id desc)
  where resource_id is not null;
-- The same for what one actor did to one resource.
create index audit_logs_actor_resource on audit_logs
  (team_id, resource_id, actor_id, resource_type, action, created_at desc, id desc) where resource_id is not null;
