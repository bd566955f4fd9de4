-- What a template is made of, with the checksums of all files, as the host said that had it first: other hosts go by it when
-- they get the files. Null until one is to get them.
alter table templates add column bundle text;
