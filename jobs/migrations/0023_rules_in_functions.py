"""What of a row must fit together, in functions: they are compiled once a session, constraints are read by each statement."""

from django.db import migrations, models

import jobs.models.breaks

_UP = """
create function job_breaks(
    state varchar, attempt smallint, dispatched_at timestamptz, started_at timestamptz,
    finished_at timestamptz, hidden_at timestamptz, pool_id varchar, video_url text,
    credits_reserved integer, credits_charged integer
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
        when credits_charged > credits_reserved then 'charge_within_reserve'
    end;
end $$;

create function ledger_breaks(
    kind varchar, job_id uuid, balance_delta bigint, held_delta bigint, house_delta bigint
) returns text language plpgsql immutable parallel safe as $$
begin
    return case
        when kind not in ('grant', 'reserve', 'capture', 'release') then 'kind_known'
        when balance_delta + held_delta + house_delta <> 0 then 'double_entry'
        when (job_id is null) <> (kind = 'grant') then 'job_unless_grant'
        when not case kind
            when 'grant' then held_delta = 0 and balance_delta >= 0
            when 'reserve' then house_delta = 0 and held_delta >= 0
            when 'capture' then house_delta >= 0 and held_delta <= 0
            else house_delta = 0 and held_delta <= 0
        end then 'legs_of_kind'
    end;
end $$;

create function transition_breaks(to_state varchar)
returns text language plpgsql immutable parallel safe as $$
begin
    return case when to_state not in
        ('queued', 'dispatched', 'running', 'succeeded', 'failed', 'canceled', 'expired')
        then 'state_known' end;
end $$;
"""
_DOWN = """
drop function job_breaks;
drop function ledger_breaks;
drop function transition_breaks;
"""
_OLD = {
    "job": (
        "job_hidden_after_end",
        "job_state_known",
        "job_finished_iff_terminal",
        "job_video_iff_succeeded",
        "job_holds_slot_of_pool",
        "job_running_has_started",
        "job_charge_within_reserve",
    ),
    "ledgerentry": (
        "ledger_double_entry",
        "ledger_legs_of_kind",
        "ledger_kind_known",
        "ledger_job_unless_grant",
    ),
    "jobtransition": ("transition_state_known",),
}


class Migration(migrations.Migration):
    dependencies = [("jobs", "0022_updates_in_place")]
    operations = [
        migrations.RunSQL(_UP, _DOWN),
        migrations.AddConstraint(
            "job",
            models.CheckConstraint(
                name="job_breaks_nothing",
                condition=jobs.models.breaks.Breaks(
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
                    function="job_breaks",
                ),
            ),
        ),
        migrations.AddConstraint(
            "ledgerentry",
            models.CheckConstraint(
                name="ledger_breaks_nothing",
                condition=jobs.models.breaks.Breaks(
                    "kind",
                    "job_id",
                    "balance_delta",
                    "held_delta",
                    "house_delta",
                    function="ledger_breaks",
                ),
            ),
        ),
        migrations.AddConstraint(
            "jobtransition",
            models.CheckConstraint(
                name="transition_breaks_nothing",
                condition=jobs.models.breaks.Breaks("to_state", function="transition_breaks"),
            ),
        ),
        *(
            migrations.RemoveConstraint(model, name)
            for model, names in _OLD.items()
            for name in names
        ),
    ]
