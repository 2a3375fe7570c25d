"""What is published of the lines: curves, drains, capacity, and how ranges are held against what happens."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import uuid4

import pytest
from django.db import connection

from jobs import breakers, outlooks, pools, transitions
from jobs.api import rows as api
from jobs.models import Band, Job, Lane, Line, LineOutlook, Pool, RangeOutcome, ToldRange
from jobs.requests import STANDBY
from scheduler import dispatch, lines
from scheduler.calibration import Calibration
from scheduler.publisher import Publisher
from tests.factories import Person, ann, bob, queued

pytestmark = pytest.mark.django_db


def _line(tier: str = "pro") -> Line:
    return Line.objects.get(tier_id=tier, kind="preview")


def _published(tier: str = "pro") -> LineOutlook:
    return LineOutlook.objects.get(line=_line(tier))


def _starts_before(lanes: list[tuple[float, float, float]], x: float) -> float:
    return sum(min(work, x - tag + head) for tag, work, head in lanes if tag <= x)


@pytest.mark.parametrize("count", [1, 7, 400])
def test_the_curve_is_the_work_that_starts_before_each_place(count: int) -> None:
    ann()
    random = Random(count)
    lanes = []
    for _ in range(count):
        head = random.uniform(1.0, 60.0)
        lanes.append((random.choice([0.0, random.uniform(0.0, 900.0)]), 3 * head, head))
    Lane.objects.bulk_create(
        [
            Lane(
                owner_id=uuid4(), line=_line(), state=1 + (at % 2), tag=tag, work=work,
                head_id=uuid4(), head_cost=head, head_since=datetime.now(UTC),
            )
            for at, (tag, work, head) in enumerate(lanes)
        ]
    )  # fmt: skip

    rows, _ = lines.read(standby=STANDBY)

    (row,) = [each for each in rows if each.tier == "pro" and each.kind == "preview"]
    assert row.waiting == pytest.approx(sum(work for _, work, _ in lanes))
    assert len(row.work.xs) <= 48
    assert row.work.xs[-1] == pytest.approx(max(tag + work - head for tag, work, head in lanes))
    for x, y in zip(row.work.xs, row.work.ys, strict=True):
        assert y == pytest.approx(_starts_before(lanes, x), abs=1e-6)


def test_a_waiting_job_is_told_a_reason_a_place_and_ranges() -> None:
    owner = ann()
    jobs = [queued(owner) for _ in range(4)]
    Publisher().publish()
    rows = list(Job.objects.values())

    told = outlooks.explain(rows, owner_id=owner.id)

    last = told[jobs[-1]]
    assert (last.reason, last.position) == ("slots_busy", 3)
    assert last.start_range is not None
    assert last.finish_range is not None
    first = told[jobs[0]].start_range
    assert first is not None
    assert first[1] < last.start_range[1] < last.finish_range[1]
    assert "3 ahead" in last.sentence


def test_a_list_of_waiting_jobs_asks_once(django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    owner = ann()
    for _ in range(30):
        queued(owner)
    Publisher().publish()
    rows = list(Job.objects.values())
    outlooks.explain(rows, owner_id=owner.id)

    with django_assert_max_num_queries(1):
        assert len(outlooks.explain(rows, owner_id=owner.id)) == 30


def test_a_job_that_is_read_alone_is_told_the_same_as_among_others() -> None:
    owner = bob()
    Pool.objects.update(slots=4)
    jobs = [queued(owner) for _ in range(5)]
    dispatch.grant_free_slots()
    Job.objects.update(created_at=datetime.now(UTC) - timedelta(minutes=1))
    Publisher().publish()
    now = datetime.now(UTC)
    rows = [api.find(job_id, owner_id=owner.id).row() for job_id in jobs]
    together = outlooks.explain(
        api.many(jobs, owner_id=owner.id).values(), owner_id=owner.id, now=now
    )

    waiting = [row for row in rows if row["state"] == "queued"]
    assert [row["lanes"] is None for row in rows] == [row not in waiting for row in rows]
    assert 1 < len(waiting) < len(jobs)
    for row in waiting:
        lanes = outlooks._lanes_of(json.loads(row["lanes"]))
        assert lanes == outlooks._lanes(owner.id, [row["id"]])
        assert [lane.end.own_running for lane in lanes.values()] == [len(jobs) - len(waiting)]
        told = outlooks.explain([row], owner_id=owner.id, now=now)
        assert told == {row["id"]: together[row["id"]]}


def test_the_own_limit_is_the_reason_when_it_is() -> None:
    owner = bob()
    Pool.objects.update(slots=4)
    jobs = [queued(owner) for _ in range(3)]
    dispatch.grant_free_slots()
    Publisher().publish()

    told = outlooks.explain(list(Job.objects.values()), owner_id=owner.id)

    assert told[jobs[-1]].reason == "own_limit"
    assert told[jobs[-1]].start_range is not None


def test_a_paused_pool_is_told_with_its_time_and_no_range() -> None:
    owner = ann()
    job_id = queued(owner)
    pools.change("preview", actor="ops@example.com", reason="a test", state="paused")
    Publisher().publish()

    told = outlooks.explain(list(Job.objects.values()), owner_id=owner.id)[job_id]

    assert (told.reason, told.start_range) == ("pool_paused", None)
    assert "paused since" in told.sentence


def test_a_server_that_is_silent_for_a_minute_is_told_as_a_paused_pool() -> None:
    owner = ann()
    job_id = queued(owner)
    heard_at = datetime.now(UTC) - timedelta(minutes=5)
    Pool.objects.update(state_since=heard_at, answered_at=heard_at, unanswered=breakers.OPENS_AT)
    Publisher().publish()

    told = outlooks.explain(list(Job.objects.values()), owner_id=owner.id)[job_id]

    assert (told.reason, told.start_range) == ("pool_paused", None)
    assert f"paused since {heard_at:%H:%M}" in told.sentence

    breakers.answered("preview")
    Publisher().publish()
    outlooks.forget()
    assert outlooks.explain(list(Job.objects.values()), owner_id=owner.id)[job_id].start_range


def test_a_server_that_was_silent_only_a_moment_is_counted_on() -> None:
    ann()
    Pool.objects.update(
        answered_at=datetime.now(UTC) - timedelta(seconds=20), unanswered=breakers.OPENS_AT
    )
    Publisher().publish()

    assert (_published().slots, _published().open_pools) == (Pool.objects.get().slots, 1)


def test_a_pool_on_probation_is_told_as_fewer_gpus() -> None:
    owner = ann()
    job_id = queued(owner)
    pools.change("preview", actor="ops@example.com", reason="a test", slots=4)
    Pool.objects.update(is_on_probation=True)
    Publisher().publish()

    told = outlooks.explain(list(Job.objects.values()), owner_id=owner.id)[job_id]

    assert told.reason == "capacity_reduced"
    assert "we run 1 of 4 GPUs" in told.sentence


def test_a_cut_of_capacity_is_told_and_ranges_cover_before_and_after() -> None:
    owner = ann()
    pools.change("preview", actor="ops@example.com", reason="a test", slots=8)
    publisher = Publisher()
    publisher.publish()
    jobs = [queued(owner) for _ in range(20)]
    publisher.publish()
    whole = _published()

    pools.set_capacity({"preview": 4}, actor="ops@example.com", reason="a test")
    publisher.publish()

    cut = _published()
    assert (cut.slots, cut.usual_slots) == (4, 8)
    assert cut.reduced_since is not None
    assert cut.drain_before == pytest.approx(whole.drain)
    assert cut.drain == pytest.approx(whole.drain / 2)
    told = outlooks.explain(list(Job.objects.values()), owner_id=owner.id)[jobs[-1]]
    assert told.reason == "capacity_reduced"
    assert "we run 4 of 8 GPUs" in told.sentence


def test_what_arrives_counts_among_the_demand() -> None:
    owner = ann()
    queued(owner)
    with connection.cursor() as cursor:
        cursor.execute("select id from job")
        (job_id,) = cursor.fetchone()
    arrivals = lines.Arrivals()

    arrivals.read(datetime.fromtimestamp((job_id.int >> 80) / 1000 + 2.0, tz=UTC))

    assert arrivals.rate(_line().id) == pytest.approx(4.0 / 180.0)
    assert arrivals.overtaking(_line().id).at(0.0) == pytest.approx(4.0 / 180.0)


def _told(owner: Person, *, low: float, high: float) -> ToldRange:
    """Give a range, seconds from now, that a waiting job of the owner's was told a minute ago."""
    now = datetime.now(UTC)
    return ToldRange.objects.create(
        job_id=queued(owner), tier="pro", is_new=True, bucket=2, seconds=20.0,
        told_at=now - timedelta(seconds=60),
        low_at=now + timedelta(seconds=low), high_at=now + timedelta(seconds=high),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [(-30.0, 30.0, "inside"), (20.0, 30.0, "early"), (-30.0, -20.0, "late")],
)
def test_a_range_is_held_against_the_start(low: float, high: float, outcome: str) -> None:
    owner = ann()
    _told(owner, low=low, high=high)
    dispatch.grant_free_slots()

    Calibration().learn({})

    counted = RangeOutcome.objects.get()
    assert {name: getattr(counted, name) for name in ("inside", "late", "early")} == {
        "inside": 0, "late": 0, "early": 0, outcome: 1,
    }  # fmt: skip
    band = Band.objects.get(tier="pro", is_new=True, bucket=2)
    assert (band.high > 0.7) is (outcome == "late")
    assert (band.low < -0.7) is (outcome == "early")


def test_a_late_miss_is_learned_the_moment_its_end_passes() -> None:
    told = _told(ann(), low=-30.0, high=-1.0)

    Calibration().learn({})

    assert Job.objects.get(id=told.job_id).state == "queued"
    assert RangeOutcome.objects.get().late == 1


def test_a_cancelled_job_teaches_nothing() -> None:
    owner = ann()
    told = _told(owner, low=-30.0, high=30.0)
    transitions.cancel(told.job_id, owner_id=owner.id)  # type: ignore[arg-type]

    Calibration().learn({})

    assert not RangeOutcome.objects.exists()
    assert not ToldRange.objects.exists()


def test_new_jobs_are_told_a_range_that_is_remembered() -> None:
    owner = ann()
    publisher = Publisher()
    job_id = queued(owner)

    publisher.publish()

    told = ToldRange.objects.get()
    assert (told.job_id, told.is_new, told.tier) == (job_id, True, "pro")
    assert told.low_at <= told.high_at
