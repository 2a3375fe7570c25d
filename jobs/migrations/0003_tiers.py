"""The tiers that every installation starts with; operators change them in the admin."""

from typing import Any

from django.db import migrations

from jobs.seeds import TIERS


def add_tiers(apps: Any, _schema_editor: Any) -> None:
    tier = apps.get_model("jobs", "Tier")
    known = {field.name for field in tier._meta.get_fields()}
    rows = [
        tier(**{name: value for name, value in values.items() if name in known})
        for values in TIERS
        if values["name"] != "standby"
    ]
    tier.objects.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_guards")]
    operations = [migrations.RunPython(add_tiers, migrations.RunPython.noop)]
