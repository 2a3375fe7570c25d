"""What operators did is append-only."""

from django.db import migrations

_UP = """
create trigger operator_act_append_only before update or delete on operator_act
    for each row execute function refuse_change();
"""
_DOWN = "drop trigger operator_act_append_only on operator_act"


class Migration(migrations.Migration):
    dependencies = [("scheduler", "0002_console"), ("jobs", "0002_guards")]
    operations = [migrations.RunSQL(_UP, _DOWN)]
