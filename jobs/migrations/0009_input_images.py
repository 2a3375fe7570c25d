import django.db.models.functions.datetime
from django.db import migrations, models

# The built-in renderer shows an image, and draws a video again in other colours.
_PREVIEW = "update pool set image_input = 'image', can_remix = true where driver = 'preview'"


class Migration(migrations.Migration):

    dependencies = [
        ("jobs", "0009_kinds"),
    ]

    operations = [
        migrations.CreateModel(
            name="InputImage",
            fields=[
                ("pk", models.CompositePrimaryKey("owner_id", "digest", blank=True, editable=False, primary_key=True, serialize=False)),
                ("owner_id", models.UUIDField()),
                ("digest", models.BinaryField(max_length=32)),
                ("mime", models.CharField(max_length=32)),
                ("content", models.BinaryField()),
                ("used_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True)),
            ],
            options={
                "db_table": "input_image",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("mime__in", ["image/jpeg", "image/png", "image/webp"])),
                        name="input_image_of_known_type",
                    )
                ],
            },
        ),
        # What is compressed already is not compressed again.
        migrations.RunSQL(
            "alter table input_image alter column content set storage external",
            migrations.RunSQL.noop,
        ),
        migrations.AddField("job", "image_digest", models.BinaryField(max_length=32, null=True)),
        migrations.AddField("job", "remixed_from", models.UUIDField(null=True)),
        migrations.AddField("job", "hidden_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "pool",
            "image_input",
            models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            "pool", "can_remix", models.BooleanField(db_default=False, default=False)
        ),
        migrations.AddIndex(
            "job",
            models.Index(
                condition=models.Q(("image_digest__isnull", False)),
                fields=["owner", "image_digest"],
                name="job_of_image",
            ),
        ),
        migrations.AddConstraint(
            "job",
            models.CheckConstraint(
                condition=models.Q(
                    ("hidden_at__isnull", True), ("finished_at__isnull", False), _connector="OR"
                ),
                name="job_hidden_after_end",
            ),
        ),
        migrations.RunSQL(_PREVIEW, migrations.RunSQL.noop),
    ]
