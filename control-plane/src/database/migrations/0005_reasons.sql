-- Why a sandbox is in its status, when its user did not ask for it: {"code","message","at"}, as the API gives it.
alter table sandboxes add column reason jsonb;
