"""Addresses of people who were there before addresses were verified: an administrator gave them."""

from django.db import migrations

KNOWN = """
insert into account_emailaddress (user_id, email, verified, "primary")
select id, email, true, true from account_user
where not exists (select 1 from account_emailaddress a where a.user_id = account_user.id)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_keys_and_suspensions'),
        ('account', '0009_emailaddress_unique_primary_email'),
    ]

    operations = [migrations.RunSQL(KNOWN, migrations.RunSQL.noop)]
