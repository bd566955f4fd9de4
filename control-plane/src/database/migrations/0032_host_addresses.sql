-- Whoever names an address of a network first has it no more: a host is where the one with its certificate answers. A socket of the
-- control plane's machine shows no certificate, and stays of one host.
drop index hosts_address;
create index hosts_address on hosts (address) where address <> '';
create unique index hosts_socket on hosts (address) where address like 'unix:%';
