"""When each Celery queue was last consumed."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("scheduler", "0004_roles")]
    operations = [
        migrations.CreateModel(
            name="Canary",
            fields=[
                ("queue", models.CharField(max_length=160, primary_key=True, serialize=False)),
                (
                    "known_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("heard_at", models.DateTimeField(null=True)),
            ],
            options={"db_table": "canary"},
        ),
    ]
