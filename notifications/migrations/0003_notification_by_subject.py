from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("notifications", "0002_deliveries")]

    operations = [
        AddIndexConcurrently(
            model_name="notification",
            index=models.Index(fields=["owner_id", "subject_id"], name="notification_by_subject"),
        ),
    ]
