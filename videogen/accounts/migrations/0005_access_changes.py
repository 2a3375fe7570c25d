"""Whose keys open something else than before, for processes that remember what keys open."""

from django.db import migrations

# Triggers, so that no statement can forget it: an administrator's form, a sweep, a line typed into psql.
# Ids are not committed in their order; `written_by` lets a reader ask for all that its last look could not see.
_MAKE = """
create table account_access_change (
    id bigint generated always as identity primary key,
    user_id uuid not null,
    written_by xid8 not null default pg_current_xact_id(),
    at timestamptz not null default now()
);
create index access_change_by_writer on account_access_change (written_by);
create index access_change_by_age on account_access_change (at);
create function note_access_change() returns trigger language plpgsql as $$
begin
    insert into account_access_change (user_id)
    values ((to_jsonb(old) ->> tg_argv[0])::uuid);
    return null;
end $$;
create trigger key_opens_something_else
    after update of digest, scopes, revoked_at, expires_at, user_id or delete on account_api_key
    for each row execute function note_access_change('user_id');
create trigger user_is_somebody_else
    after update of email, password, time_zone, is_active, is_staff, is_superuser, suspension_id or delete
    on account_user
    for each row execute function note_access_change('id');
"""
_DROP = """
drop trigger user_is_somebody_else on account_user;
drop trigger key_opens_something_else on account_api_key;
drop function note_access_change();
drop table account_access_change;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_exports_and_deletions")]

    operations = [migrations.RunSQL(_MAKE, _DROP)]
