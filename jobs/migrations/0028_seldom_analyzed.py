"""Five tables grow by a row for each submission, and autovacuum analyzed them each time they grew by a tenth.

While they are small that is every few seconds: 30,000 rows of every column, a fifth of a second of a core for which
submissions wait. A third more changes no plan, 7,500 rows tell as much of columns that are spread evenly, and nothing
is looked for by a payload.
"""

from django.db import migrations

_TABLES = ("job", "job_transition", "ledger_entry", "outbox_event", "idempotency_key")

_TARGETS = """
do $$
declare
    given record;
begin
    for given in select attrelid::regclass as relation, attname from pg_attribute
        where attrelid = any ('{{{tables}}}'::regclass[]) and attnum > 0 and not attisdropped
    loop
        execute format('alter table %s alter column %I set statistics %s', given.relation, given.attname, {target});
    end loop;
end $$;
"""


def _set(target: str) -> str:
    return _TARGETS.format(tables=",".join(_TABLES), target=target)


_UP = _set("case given.attname when 'payload' then 0 else 25 end") + "".join(
    f"alter table {name} set (autovacuum_analyze_scale_factor = 0.3);" for name in _TABLES
)
_DOWN = _set("-1") + "".join(
    f"alter table {name} reset (autovacuum_analyze_scale_factor);" for name in _TABLES
)


class Migration(migrations.Migration):

    dependencies = [
        ("jobs", "0027_jobs_are_kept"),
        ("notifications", "0006_abandoned_deliveries"),
    ]

    operations = [migrations.RunSQL(_UP, _DOWN)]
