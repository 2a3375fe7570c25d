"""The tiers that every installation starts with; operators change them in the admin."""

from typing import Any

from django.db import migrations

from jobs.seeds import TIERS


def add_tiers(apps: Any, _schema_editor: Any) -> None:
    tier = apps.get_model("jobs", "Tier")
    tier.objects.bulk_create([tier(**values) for values in TIERS], ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_guards")]
    operations = [migrations.RunPython(add_tiers, migrations.RunPython.noop)]
