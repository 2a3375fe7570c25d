from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False
    dependencies = [
        ("jobs", "0029_revisions"),
    ]

    operations = [
        # It takes longer than a statement of a call may, and waits for whoever reads for long.
        migrations.RunSQL(
            "set statement_timeout = 0; set lock_timeout = 0", migrations.RunSQL.noop
        ),
        # What a run that was cut off has left.
        migrations.RunSQL(
            "drop index concurrently if exists job_ended_by_owner", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", False), ("hidden_at__isnull", True)),
                fields=["owner", "-created_at", "-id"],
                include=["revision"],
                name="job_ended_by_owner",
            ),
        ),
        migrations.RunSQL("reset statement_timeout; reset lock_timeout", migrations.RunSQL.noop),
    ]
