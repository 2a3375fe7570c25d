"""Kinds are sets of pools. What waits is still in lines named by model, and is moved on by a sweep."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

_KEEP_LINES = """
insert into kind (name, pools, usable, left_at)
select left('model ' || model, 64), array_agg(pool.name order by pool.name),
    array_agg(pool.name order by pool.name), now()
from pool, unnest(pool.model_names) model group by 1;
insert into kind (name, pools, usable, left_at)
select distinct left('model ' || line.kind, 64), '{}'::text[], '{}'::text[], now() from line
on conflict do nothing;
update line set kind = left('model ' || kind, 64);
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0008_fill_lanes")]

    operations = [
        migrations.CreateModel(
            name="Kind",
            fields=[
                ("name", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("pools", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), size=None)),
                ("usable", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), size=None)),
                ("left_at", models.DateTimeField(null=True)),
                ("moved_to", models.UUIDField(null=True)),
            ],
            options={"db_table": "kind"},
        ),
        migrations.CreateModel(
            name="Offering",
            fields=[
                ("pk", models.CompositePrimaryKey("model", "seconds", "size", blank=True, editable=False, primary_key=True, serialize=False)),
                ("model", models.CharField(max_length=64)),
                ("seconds", models.PositiveSmallIntegerField()),
                ("size", models.CharField(max_length=16)),
                ("kind", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="jobs.kind")),
            ],
            options={"db_table": "offering"},
        ),
        migrations.RunSQL(_KEEP_LINES, migrations.RunSQL.noop),
    ]
