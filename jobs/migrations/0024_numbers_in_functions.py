"""That counts are not negative, in the functions of their tables: each statement reads a constraint of each column.

What the constraints before let in, the new ones let in, so nothing has to be read while the tables are locked.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from jobs.models.breaks import Breaks, GuardedIntegerField, GuardedSmallIntegerField

_OF_JOB = """
create function job_breaks(
    state varchar, attempt smallint, dispatched_at timestamptz, started_at timestamptz,
    finished_at timestamptz, hidden_at timestamptz, pool_id varchar, video_url text,
    credits_reserved integer, credits_charged integer{numbers}
) returns text language plpgsql immutable parallel safe as $$
begin
    return case
        when state not in
            ('queued', 'dispatched', 'running', 'succeeded', 'failed', 'canceled', 'expired')
            then 'state_known'
        when (finished_at is not null) <> (state in ('succeeded', 'failed', 'canceled', 'expired'))
            then 'finished_iff_terminal'
        when (video_url <> '') <> (state = 'succeeded') then 'video_iff_succeeded'
        when state in ('dispatched', 'running')
            and (attempt < 1 or dispatched_at is null or pool_id is null) then 'holds_slot_of_pool'
        when state = 'running' and started_at is null then 'running_has_started'
        when hidden_at is not null and finished_at is null then 'hidden_after_end'
        when credits_charged > credits_reserved then 'charge_within_reserve'{rule}
    end;
end $$;
"""
_OF_TRANSITION = """
create function transition_breaks(to_state varchar{numbers})
returns text language plpgsql immutable parallel safe as $$
begin
    return case when to_state not in
        ('queued', 'dispatched', 'running', 'succeeded', 'failed', 'canceled', 'expired')
        then 'state_known'{rule} end;
end $$;
"""
_BEFORE = _OF_JOB.format(numbers="", rule="") + _OF_TRANSITION.format(numbers="", rule="")
_DROP_BEFORE = """
drop function job_breaks(
    varchar, smallint, timestamptz, timestamptz, timestamptz, timestamptz, varchar, text, integer, integer);
drop function transition_breaks(varchar);
"""
# The least of several passes over those that are null.
_JOB_RULE = """
        when least(attempt, failed_count, version, seconds, credits_reserved, credits_charged,
            cancel_fee, progress) < 0 then 'nothing_negative'"""
_JOB_NUMBERS = """,
    failed_count smallint, version integer, seconds smallint, cancel_fee integer, progress smallint"""
_TRANSITION_RULE = """
        when least(version, attempt) < 0 then 'nothing_negative'"""
_UP = f"""
{_OF_JOB.format(numbers=_JOB_NUMBERS, rule=_JOB_RULE)}
{_OF_TRANSITION.format(numbers=", version integer, attempt smallint", rule=_TRANSITION_RULE)}
create function account_breaks(balance bigint, held bigint, live_count integer, day_jobs integer)
returns text language plpgsql immutable parallel safe as $$
begin
    return case
        when balance < 0 then 'never_overdrawn'
        when held < 0 then 'held_not_negative'
        when least(live_count, day_jobs) < 0 then 'nothing_negative'
    end;
end $$;

create function attempt_breaks(number smallint, slot integer, ended_at timestamptz, outcome varchar)
returns text language plpgsql immutable parallel safe as $$
begin
    return case
        when (ended_at is null) <> (outcome = '') then 'outcome_iff_ended'
        when least(number, slot) < 0 then 'nothing_negative'
    end;
end $$;

create function lease_breaks(attempt smallint, slot integer, percent smallint)
returns text language plpgsql immutable parallel safe as $$
begin
    return case when least(attempt, slot, percent) < 0 then 'nothing_negative' end;
end $$;
"""
_DOWN = """
drop function job_breaks(
    varchar, smallint, timestamptz, timestamptz, timestamptz, timestamptz, varchar, text, integer, integer,
    smallint, integer, smallint, integer, smallint);
drop function transition_breaks(varchar, integer, smallint);
drop function account_breaks;
drop function attempt_breaks;
drop function lease_breaks;
"""
_OLD = {
    "account": ("account_never_overdrawn", "account_held_not_negative"),
    "attempt": ("attempt_outcome_iff_ended",),
    "job": ("job_breaks_nothing",),
    "jobtransition": ("transition_breaks_nothing",),
}
_WHOLE = GuardedIntegerField
_SMALL = GuardedSmallIntegerField
_NUMBERS = {
    "account": {
        "live_count": _WHOLE(default=0),
        "day_jobs": _WHOLE(db_default=0, default=0),
    },
    "attempt": {"number": _SMALL(), "slot": _WHOLE()},
    "job": {
        "attempt": _SMALL(default=0),
        "failed_count": _SMALL(default=0),
        "version": _WHOLE(default=1),
        "seconds": _SMALL(),
        "credits_reserved": _WHOLE(),
        "credits_charged": _WHOLE(default=0),
        "cancel_fee": _WHOLE(null=True),
        "progress": _SMALL(default=0),
    },
    "jobtransition": {"version": _WHOLE(), "attempt": _SMALL()},
    "lease": {"attempt": _SMALL(), "slot": _WHOLE(), "percent": _SMALL(null=True)},
}
_RULES = {
    "account": Breaks("balance", "held", "live_count", "day_jobs", function="account_breaks"),
    "attempt": Breaks("number", "slot", "ended_at", "outcome", function="attempt_breaks"),
    "job": Breaks(
        "state",
        "attempt",
        "dispatched_at",
        "started_at",
        "finished_at",
        "hidden_at",
        "pool_id",
        "video_url",
        "credits_reserved",
        "credits_charged",
        "failed_count",
        "version",
        "seconds",
        "cancel_fee",
        "progress",
        function="job_breaks",
    ),
    "transition": Breaks("to_state", "version", "attempt", function="transition_breaks"),
    "lease": Breaks("attempt", "slot", "percent", function="lease_breaks"),
}
_MODELS = {"transition": "jobtransition"}


class Migration(migrations.Migration):
    dependencies = [("jobs", "0023_rules_in_functions")]
    operations = [
        migrations.RunSQL(_UP, _DOWN),
        *(
            migrations.RemoveConstraint(model, name)
            for model, names in _OLD.items()
            for name in names
        ),
        *(
            AddConstraintNotValid(
                _MODELS.get(what, what),
                models.CheckConstraint(name=f"{what}_breaks_nothing", condition=rule),
            )
            for what, rule in _RULES.items()
        ),
        *(
            migrations.AlterField(model, name, field)
            for model, numbers in _NUMBERS.items()
            for name, field in numbers.items()
        ),
        migrations.RunSQL(_DROP_BEFORE, _BEFORE),
    ]
