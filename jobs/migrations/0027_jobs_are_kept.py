"""Jobs are never removed, so what is written together with one does not look for it and lock it again.

Nor does a job look for its owner: its reservation does, and is kept for ever.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

_UP = """
create function refuse_removal() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are kept', tg_table_name using errcode = 'integrity_constraint_violation';
end $$;
create trigger job_is_kept before delete on job for each row execute function refuse_removal();
"""
_DOWN = """
drop trigger job_is_kept on job;
drop function refuse_removal;
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0026_shared_rows_not_locked")]
    operations = [
        migrations.RunSQL(_UP, _DOWN),
        migrations.AlterField(
            "job",
            "owner",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="jobs",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            "jobtransition",
            "job",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="transitions",
                to="jobs.job",
            ),
        ),
        migrations.AlterField(
            "attempt",
            "job",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="attempts",
                to="jobs.job",
            ),
        ),
        migrations.AlterField(
            "lease",
            "job",
            models.OneToOneField(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                primary_key=True,
                serialize=False,
                to="jobs.job",
            ),
        ),
    ]
