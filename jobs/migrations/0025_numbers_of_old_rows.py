"""Rows that were there before the functions are read once, while everything runs."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

_CONSTRAINTS = {
    "account": "account_breaks_nothing",
    "attempt": "attempt_breaks_nothing",
    "job": "job_breaks_nothing",
    "jobtransition": "transition_breaks_nothing",
    "lease": "lease_breaks_nothing",
}


class Migration(migrations.Migration):
    # Each table is let go when it was read.
    atomic = False
    dependencies = [("jobs", "0024_numbers_in_functions")]
    operations = [
        # Ten million jobs take longer than a statement of a call may.
        migrations.RunSQL("set statement_timeout = 0", migrations.RunSQL.noop),
        *(ValidateConstraint(model, name) for model, name in _CONSTRAINTS.items()),
        migrations.RunSQL("reset statement_timeout", migrations.RunSQL.noop),
    ]
