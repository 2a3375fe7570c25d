"""Why jobs wait and until when, for one owner: what was published for the lines, and the owner's own rows.

The lines are kept for a moment in each process; the owner's rows are one query by index, however many jobs
are asked after, and none where nothing waits.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from django.db import DEFAULT_DB_ALIAS, connection

from jobs import joint_reads, outlook, speeds, waiting
from jobs.joint_reads import JointRead
from jobs.models import Line, LineOutlook
from jobs.outlook import Band, BandKey, Curve, Outlook, Place
from jobs.remembered import Remembered
from jobs.requests import STANDBY
from jobs.states import JobState
from jobs.waiting import LineNow, Waiting
from notifications import prepared

# How old what a process knows of the lines may be, seconds; it is published every two seconds.
_FRESH_FOR: Final = 1.0
# Whoever was accepted so recently is told as at the submission.
_NEW: Final = timedelta(seconds=5)
# Jobs of one lane that are placed one by one; those behind are told its end.
_PLACED: Final = 500

# Of each lane its end, and the places of the jobs that are asked after; null asks after all.
_LANES: Final = f"""
select lane.line_id, lane.tag, lane.work, waiting.count as waiting, running.count as running,
    plan.running_limit, place.job_id, place.cost, place.before, place.jobs
from lane
join account on account.owner_id = lane.owner_id
join tier plan on plan.name = account.tier_id
cross join lateral (select /*jobs*/ as ids offset 0) wanted
cross join lateral (
    select count(*)::int from lease where lease.owner_id = lane.owner_id
) running
cross join lateral (
    select count(*)::int from (select 1 from backlog
        where backlog.owner_id = lane.owner_id and backlog.line_id = lane.line_id
        limit {_PLACED}) first
) waiting
left join lateral (
    select * from (
        select job_id, cost, sum(cost) over earlier - cost as before,
            row_number() over earlier - 1 as jobs
        from (select job_id, cost from backlog
            where backlog.owner_id = lane.owner_id and backlog.line_id = lane.line_id
            order by job_id limit {_PLACED}) first
        window earlier as (order by job_id)
    ) placed where wanted.ids is null or job_id = any(wanted.ids)
) place on true
where lane.owner_id = /*owner*/ and lane.state > 0
order by lane.line_id, place.job_id
"""  # noqa: S608 - our own number
_OWN: Final = JointRead(
    _LANES.replace("/*owner*/", "%(owner)s").replace("/*jobs*/", "%(jobs)s::text::uuid[]"),
    {"owner": "uuid", "jobs": "text"},
)
# The same of a job `j` that waits, as a column that `explain` reads from its row.
LANES_OF_JOB: Final = f"""
case when j.state = '{JobState.QUEUED}' then (
    select json_agg(json_build_array(line_id, tag, work, waiting, running, running_limit, job_id, cost, before, jobs))
    from ({_LANES.replace("/*owner*/", "j.owner_id").replace("/*jobs*/", "array[j.id]")}) of_job
)::text end
"""  # noqa: S608 - our own text
# Every process reads these each second.
_FIELDS: Final = LineOutlook._meta.concrete_fields  # noqa: SLF001 - documented API
_ATTRIBUTES: Final = [field.attname for field in _FIELDS]
_OUTLOOKS: Final = f"""
select {", ".join(f"o.{field.column}" for field in _FIELDS)}, line.tier_id
from outlook o join line on line.id = o.line_id
"""  # noqa: S608 - our own names
_BANDS: Final = "select tier, is_new, bucket, low, high from band"
_RUNNING: Final = """
select plan.running_limit, (select count(*) from lease where lease.owner_id = account.owner_id)
from account join tier plan on plan.name = account.tier_id where account.owner_id = %s
"""


@dataclass(frozen=True, slots=True)
class _Lane:
    """An owner's lane: its end, and the places of its first jobs."""

    end: Place
    places: dict[UUID, Place]


def explain(
    rows: Iterable[Mapping[str, Any]],
    *,
    owner_id: UUID,
    zone: ZoneInfo | None = None,
    now: datetime | None = None,
) -> dict[UUID, Waiting]:
    """Explain the waiting ones of an owner's jobs, by id; moments are in `zone`, or UTC.

    The lanes of a row that was read alone are in its `lanes` (`LANES_OF_JOB`); else they are read here.
    """
    queued = [row for row in rows if row["state"] == JobState.QUEUED]
    if not queued:
        return {}
    at = (now or datetime.now(UTC)).astimezone(zone or UTC)
    if len(queued) == 1 and "lanes" in queued[0]:
        lanes = _lanes_of(orjson.loads(queued[0]["lanes"] or "[]"))
    else:
        lanes = _lanes(owner_id, [row["id"] for row in queued])
    lines = _lines.value()
    found = {}
    for row in queued:
        line_id, place = _place(row, lanes, now=at)
        line = lines.get(line_id) if line_id is not None else None
        told = waiting.explain(
            state=JobState.QUEUED,
            due_at=row["due_at"],
            attempt=row["attempt"],
            now=at,
            line=_for_job(line, row, zone=at.tzinfo) if line else None,
            place=place,
            start_by=row["start_by"].astimezone(at.tzinfo) if row["start_by"] else None,
        )
        if told is not None:
            found[row["id"]] = told
    return found


def latest_starts(owner_id: UUID, *, line_id: int) -> tuple[float, ...]:
    """Give by when an owner's jobs of a line will have started, soonest first, as moments; the first few."""
    lane, line = _lanes(owner_id, None).get(line_id), _lines.value().get(line_id)
    if lane is None or line is None or line.outlook is None:
        return ()
    ends = []
    for place in lane.places.values():
        expected = outlook.expect(line.outlook, place)
        if expected is None:
            return ()
        ends.append(time.time() + expected.high)
    return tuple(sorted(ends))


def at_the_end(
    owner_id: UUID, *, line_id: int, zone: ZoneInfo | None = None, run: tuple[float, float] | None
) -> Waiting | None:
    """Tell what a job that joined the line now would be told; None where nothing is known of the line."""
    line = _lines.value().get(line_id)
    published = line.outlook if line else None
    if line is None or published is None:
        return None
    if not published.work.xs:
        # Nothing waits: nobody can say that all slots are busy.
        line = replace(line, slots=0, usual_slots=0)
    now = datetime.now(UTC).astimezone(zone or UTC)
    lane = _lanes(owner_id).get(line_id)
    limit, running = _running(owner_id)
    place = Place(
        tag=max(lane.end.tag, published.virtual_time) if lane else published.virtual_time,
        own_work=lane.end.own_work if lane else 0.0,
        own_jobs=lane.end.own_jobs if lane else 0,
        own_running=running,
        own_limit=limit,
        is_new=True,
    )
    return waiting.explain(
        state=JobState.QUEUED, due_at=None, attempt=0, now=now, line=_with(line, run), place=place
    )


def of_tier(tier: str) -> list[LineNow]:
    """Give the lines of a tier that some pool serves."""
    return [
        line
        for line in _lines.value().values()
        if line.pools and line.outlook is not None and line.outlook.tier == tier
    ]


def read_at() -> float:
    """Say when what this process knows of the lines was read, on the monotonic clock; what is old is read anew."""
    return _lines.dated()[1]


def forget() -> None:
    """Read the lines again at the next question."""
    _lines.forget()


def _place(
    row: Mapping[str, Any], lanes: Mapping[int, _Lane], *, now: datetime
) -> tuple[int | None, Place | None]:
    is_new = now - row["created_at"] < _NEW
    for line_id, lane in lanes.items():
        place = lane.places.get(row["id"])
        if place is not None:
            return line_id, replace(place, is_new=is_new)
    # It waits for its next try, or behind the first few hundred of its owner's.
    full = [(line_id, lane) for line_id, lane in lanes.items() if lane.end.own_jobs >= _PLACED]
    if row["due_at"] is None and len(full) == 1:
        return full[0][0], replace(full[0][1].end, is_new=is_new)
    return None, None


def _lanes(owner_id: UUID, jobs: Iterable[UUID] | None = ()) -> dict[int, _Lane]:
    """Read an owner's lanes, with the places of these jobs, or of all of them where it is None."""
    if jobs is None:
        # All of them may be hundreds: nobody waits for that.
        answer = joint_reads.alone(_OWN.statement, {"owner": owner_id, "jobs": None})
    else:
        answer = _OWN.ask({"owner": owner_id, "jobs": f"{{{','.join(map(str, jobs))}}}"})
    return _lanes_of(answer.rows())


def _lanes_of(rows: Iterable[Sequence[Any]]) -> dict[int, _Lane]:
    found: dict[int, _Lane] = {}
    for (
        line_id, tag, work, waiting_, running, limit, job_id, cost, before, number
    ) in rows:  # fmt: skip
        end = Place(tag=tag, own_work=work, own_jobs=waiting_, own_running=running, own_limit=limit)
        lane = found.setdefault(line_id, _Lane(end, {}))
        if job_id is not None:
            place = replace(end, own_work=before, own_jobs=number, own_cost=cost)
            lane.places[UUID(job_id) if isinstance(job_id, str) else job_id] = place
    return found


def _running(owner_id: UUID) -> tuple[int | None, int]:
    with connection.cursor() as cursor:
        cursor.execute(_RUNNING, [owner_id])
        limit, running = cursor.fetchone()
    return limit, int(running)


def _read() -> dict[int, LineNow]:
    bands: dict[BandKey, Band] = {
        (tier, is_new, bucket): Band(low=low, high=high)
        for tier, is_new, bucket, low, high in prepared.run(_BANDS, ())
    }
    found = {}
    for *values, tier in prepared.run(_OUTLOOKS, ()):
        row = LineOutlook.from_db(DEFAULT_DB_ALIAS, _ATTRIBUTES, values)
        row.line = Line(id=row.line_id, tier_id=tier)
        found[row.line_id] = of_row(row, bands)
    return found


_lines: Final = Remembered(_read, fresh_for=_FRESH_FOR)


def of_row(row: LineOutlook, bands: Mapping[BandKey, Band]) -> LineNow:
    """Give what was published for a line as policy reads it."""
    return LineNow(
        taken_at=row.taken_at,
        outlook=Outlook(
            tier=row.line.tier_id,
            virtual_time=row.virtual_time,
            work=Curve(tuple(row.work_xs), tuple(row.work_ys)),
            overtaking=Curve(tuple(row.overtaking_xs), tuple(row.overtaking_ys)),
            drain=row.drain,
            mean_cost=row.mean_cost,
            mean_run=row.mean_run,
            slots=row.slots,
            bands=bands,
            drain_before=row.drain_before,
        ),
        pools=row.pools,
        open_pools=row.open_pools,
        paused_since=row.paused_since,
        reduced_since=row.reduced_since,
        restored_at=row.restored_at,
        slots=row.slots,
        usual_slots=row.usual_slots,
        is_standby=row.line.tier_id == STANDBY,
    )


def _for_job(line: LineNow, row: Mapping[str, Any], *, zone: Any) -> LineNow:
    run = speeds.usual_run(row["model"], row["seconds"], row["size"])
    return _with(line, run, zone=zone)


def _with(line: LineNow, run: tuple[float, float] | None, *, zone: Any = UTC) -> LineNow:
    return replace(
        line,
        run=run,
        paused_since=line.paused_since.astimezone(zone) if line.paused_since else None,
        reduced_since=line.reduced_since.astimezone(zone) if line.reduced_since else None,
    )
