from django.db import migrations, models

# An attempt is changed when it starts, and when it ends.
_ROOM = "alter table attempt set (fillfactor = 80);"
_NO_ROOM = "alter table attempt reset (fillfactor);"


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0021_capacity_returns'),
    ]

    operations = [
        migrations.RemoveIndex(model_name='job', name='job_due'),
        migrations.RemoveIndex(model_name='job', name='job_start_by'),
        migrations.AddIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('due_at__isnull', False), ('finished_at__isnull', True)), fields=['due_at'], name='job_due'),
        ),
        migrations.AddIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('finished_at__isnull', True), ('start_by__isnull', False)), fields=['start_by'], name='job_start_by'),
        ),
        migrations.RunSQL(_ROOM, _NO_ROOM),
    ]
