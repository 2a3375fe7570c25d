from django.db import migrations, models

# A row for each write: dead ones are cleared early.
_SETTINGS = """
alter table progress set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0);
"""
# From here on the newest row of progress says it.
_CARRY_OVER = """
insert into progress (id, virtual_times, promoted, shares, turns, floors)
select 1,
    coalesce((select jsonb_object_agg(id::text, virtual_time) from line), '{}'),
    coalesce((select jsonb_agg(id) from line where was_promoted), '[]'),
    coalesce((select jsonb_agg(jsonb_build_array(pool_id, tier_id, settled, reached)) from share), '[]'),
    coalesce((select jsonb_agg(jsonb_build_array(pool_id, line_id, ledger, was_waiting)) from turn), '[]'),
    coalesce((select jsonb_object_agg(pool_id, floor) from pool_floor), '{}')
where exists (select from share) or exists (select from line where virtual_time > 0);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0018_tried_slots'),
    ]

    operations = [
        migrations.CreateModel(
            name='Progress',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('virtual_times', models.JSONField()),
                ('promoted', models.JSONField()),
                ('shares', models.JSONField()),
                ('turns', models.JSONField()),
                ('floors', models.JSONField()),
            ],
            options={
                'db_table': 'progress',
            },
        ),
        migrations.RunSQL(_SETTINGS, migrations.RunSQL.noop),
        migrations.RunSQL(_CARRY_OVER, migrations.RunSQL.noop),
        migrations.RemoveField(model_name='line', name='virtual_time'),
        migrations.RemoveField(model_name='line', name='was_promoted'),
        migrations.DeleteModel(name='Share'),
        migrations.DeleteModel(name='Turn'),
        migrations.DeleteModel(name='PoolFloor'),
    ]
