from django.db import migrations

import jobs.models.breaks

_COUNT = """
update job set late_count = late.videos
from (select job_id, count(*) as videos from late_result group by job_id) late where late.job_id = job.id
"""


class Migration(migrations.Migration):

    dependencies = [
        ("jobs", "0028_seldom_analyzed"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="late_count",
            field=jobs.models.breaks.GuardedSmallIntegerField(db_default=0, default=0),
        ),
        migrations.RunSQL(_COUNT, migrations.RunSQL.noop),
    ]
