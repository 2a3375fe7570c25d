from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0010_doors")]

    operations = [
        migrations.AddField("pool", "usual_slots", models.PositiveIntegerField(editable=False, null=True)),
        migrations.AddField("pool", "reduced_since", models.DateTimeField(editable=False, null=True)),
    ]
