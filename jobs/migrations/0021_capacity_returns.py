from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0020_senders_and_edits'),
    ]

    operations = [
        migrations.AddField(
            model_name='pool',
            name='restore_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='lineoutlook',
            name='restored_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddConstraint(
            model_name='pool',
            constraint=models.CheckConstraint(
                condition=models.Q(('restore_at__isnull', True), ('usual_slots__isnull', False), _connector='OR'),
                name='pool_restores_what_was_cut',
            ),
        ),
    ]
