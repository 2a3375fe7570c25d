from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0017_gates'),
    ]

    operations = [
        migrations.AddField(
            model_name='backlog',
            name='tried_pool',
            field=models.CharField(max_length=64, null=True),
        ),
        migrations.AddField(
            model_name='backlog',
            name='tried_slot',
            field=models.PositiveIntegerField(null=True),
        ),
    ]
