import django.db.models.deletion
from django.db import migrations, models

# Room on each page for the versions that submissions write.
_ROOM = "alter table gate set (fillfactor = 20);"
_COUNT = """
update lane set jobs = waiting.jobs from (
    select owner_id, line_id, count(*) as jobs from backlog group by owner_id, line_id
) waiting where waiting.owner_id = lane.owner_id and waiting.line_id = lane.line_id;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0016_close_old_batches'),
    ]

    operations = [
        migrations.AddField(
            model_name='door',
            name='lent',
            field=models.FloatField(db_default=0, default=0),
        ),
        migrations.CreateModel(
            name='Gate',
            fields=[
                ('pk', models.CompositePrimaryKey('line_id', 'number', blank=True, editable=False, primary_key=True, serialize=False)),
                ('number', models.SmallIntegerField()),
                ('room', models.FloatField(default=0)),
                ('added', models.FloatField(default=0)),
                ('line', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='jobs.line')),
            ],
            options={
                'db_table': 'gate',
                'constraints': [models.CheckConstraint(condition=models.Q(('room__gte', 0)), name='gate_has_room')],
            },
        ),
        migrations.RunSQL(_ROOM, migrations.RunSQL.noop),
        migrations.AddField(
            model_name='lane',
            name='jobs',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.RunSQL(_COUNT, migrations.RunSQL.noop),
    ]
