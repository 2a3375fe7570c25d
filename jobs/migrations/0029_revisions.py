"""Whoever writes the version of a job that ended, the database counts it: code from before this column too."""

from django.db import migrations, models

_GUARD = """
create or replace function guard_job() returns trigger language plpgsql as $$
begin
    if old.state in ('succeeded', 'failed', 'canceled', 'expired') and new.state <> old.state then
        raise exception 'job % has ended as %', old.id, old.state
            using errcode = 'integrity_constraint_violation';
    end if;
    if new.attempt < old.attempt or new.version < old.version then
        raise exception 'attempt and version of job % never decrease', old.id
            using errcode = 'integrity_constraint_violation';
    end if;{counted}
    return new;
end $$;
"""
_COUNTED = """
    if old.finished_at is not null and new.version > old.version then
        new.revision := old.revision + 1;
    end if;"""
# As few rows are read to analyze the table as before (migration 0028).
_STATISTICS = "alter table job alter column revision set statistics 25"


class Migration(migrations.Migration):

    dependencies = [
        ("jobs", "0028_seldom_analyzed"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="revision",
            field=models.SmallIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.RunSQL(_STATISTICS, migrations.RunSQL.noop),
        migrations.RunSQL(_GUARD.format(counted=_COUNTED), _GUARD.format(counted="")),
    ]
