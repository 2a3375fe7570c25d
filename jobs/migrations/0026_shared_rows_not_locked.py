"""A job does not lock the tier and the line that it shares with all others; its lane keeps them."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0025_numbers_of_old_rows")]
    operations = [
        migrations.AlterField(
            "job",
            "tier",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to="jobs.tier",
            ),
        ),
        migrations.AlterField(
            "backlog",
            "line",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                to="jobs.line",
            ),
        ),
    ]
