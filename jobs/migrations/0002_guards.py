"""Triggers that only guard: history and money are append-only, a final state is final, the fence never falls."""

from django.db import migrations

_UP = """
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'integrity_constraint_violation';
end $$;
create trigger ledger_append_only before update or delete on ledger_entry
    for each row execute function refuse_change();
create trigger transition_append_only before update or delete on job_transition
    for each row execute function refuse_change();

create function guard_job() returns trigger language plpgsql as $$
begin
    if old.state in ('succeeded', 'failed', 'canceled', 'expired') and new.state <> old.state then
        raise exception 'job % has ended as %', old.id, old.state
            using errcode = 'integrity_constraint_violation';
    end if;
    if new.attempt < old.attempt or new.version < old.version then
        raise exception 'attempt and version of job % never decrease', old.id
            using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end $$;
create trigger job_guard before update of state, attempt, version on job
    for each row execute function guard_job();

alter table job set (fillfactor = 80);
alter table lease set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000);
alter table lane set (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000);
alter table backlog set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
alter table account set (fillfactor = 70);
"""
_DOWN = """
drop trigger job_guard on job;
drop trigger transition_append_only on job_transition;
drop trigger ledger_append_only on ledger_entry;
drop function guard_job;
drop function refuse_change;
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]
    operations = [migrations.RunSQL(_UP, _DOWN)]
