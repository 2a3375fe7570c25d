from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0019_progress'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='sent_by',
            field=models.CharField(blank=True, db_default='', default='', max_length=120),
        ),
        migrations.AddField(
            model_name='job',
            name='edited_at',
            field=models.DateTimeField(null=True),
        ),
    ]
