import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import jobs.ids


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0013_input_images'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Batch',
            fields=[
                ('id', models.UUIDField(default=jobs.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('key', models.CharField(max_length=255, null=True)),
                ('fingerprint', models.BinaryField(max_length=32)),
                ('size', models.PositiveSmallIntegerField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('owner', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'batches',
                'db_table': 'batch',
                'constraints': [models.UniqueConstraint(condition=models.Q(('key__isnull', False)), fields=('owner', 'key'), name='batch_one_per_key')],
            },
        ),
        migrations.AddField(
            model_name='job',
            name='variation_of',
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name='job',
            name='batch_id',
            field=models.UUIDField(null=True),
        ),
        migrations.AddIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('finished_at__isnull', True)), fields=['owner', '-created_at', '-id'], name='job_live_by_owner'),
        ),
        migrations.AddIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('batch_id__isnull', False)), fields=['batch_id'], name='job_by_batch'),
        ),
    ]
