-- Name of the key that sealed last, a hash. The key itself is outside of the database.
create table secret_keys (
  id text primary key
);
