-- An account may have several links that are valid: whoever asks for another mail, who need not be the user, does not take
-- away the one that the user is about to follow.
alter table password_resets drop constraint password_resets_user_id_key;
create index password_resets_user_id on password_resets (user_id);
