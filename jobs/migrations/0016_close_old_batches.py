from django.db import migrations


class Migration(migrations.Migration):
    """Calls that were answered before ends were told are closed: nobody is told of their past."""

    dependencies = [
        ('jobs', '0015_ends_of_batches'),
    ]

    operations = [
        migrations.RunSQL(
            "update batch set closed_at = created_at where closed_at is null",
            migrations.RunSQL.noop,
        ),
    ]
