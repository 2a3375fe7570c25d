"""What several pools of one model can make together, and which of them gets what."""

import pytest

from jobs import catalog, kinds, pools, requests, submission
from jobs.models import Backlog, Job, Kind, Lease, Line, Offering, Pool
from jobs.requests import InvalidFields
from scheduler import dispatch, invariants, rekinding
from tests.factories import Person, ann, bob, queued

pytestmark = pytest.mark.django_db(transaction=True)

LONG = {"driver": "preview", "slots": 1, "model_names": ["preview"], "sizes": ["1280x720"]}


def submit(owner: Person, *, seconds: int, size: str = "1280x720") -> Job:
    wanted = requests.read({"prompt": "a whale", "seconds": seconds, "size": size})
    return Job.objects.get(id=submission.submit(wanted, owner_id=owner.id).job_id)


def test_a_model_offers_what_any_of_its_pools_makes() -> None:
    ann()
    pools.put("long", {**LONG, "seconds": [4, 30]}, actor="me")

    offer = catalog.offer("preview")

    assert offer.seconds == (2, 4, 8, 12, 30)
    assert offer.sizes_at(30) == ("1280x720",)
    assert offer.kinds[4, "1280x720"] == "long+preview"
    assert (offer.kinds[4, "854x480"], offer.kinds[30, "1280x720"]) == ("preview", "long")


def test_a_length_and_a_size_that_no_pool_makes_together_are_refused_by_name() -> None:
    ann()
    pools.put("long", {**LONG, "seconds": [30]}, actor="me")

    with pytest.raises(InvalidFields) as refused:
        requests.read({"prompt": "a whale", "seconds": 30, "size": "854x480"})

    assert refused.value.faults == {"size": "preview makes these sizes at 30 seconds: 1280x720."}
    assert requests.read({"prompt": "a whale", "seconds": 30}).size == "1280x720"


def test_a_job_goes_only_to_a_pool_that_can_make_it() -> None:
    owner = ann()
    pools.put("long", {**LONG, "seconds": [30]}, actor="me")
    first, second = submit(owner, seconds=30), submit(owner, seconds=30)

    dispatch.grant_free_slots()

    assert Lease.objects.get().pool_id == "long"
    assert Lease.objects.get().job_id == first.id
    assert Backlog.objects.get().job_id == second.id


def test_a_pool_that_can_no_longer_make_it_gets_none_of_what_waits() -> None:
    owner = ann()
    pools.put("long", {**LONG, "seconds": [12]}, actor="me")
    submit(owner, seconds=12)
    pools.change("preview", actor="me", reason="Shorter.", seconds=[2, 4])

    dispatch.grant_free_slots()

    assert Lease.objects.get().pool_id == "long"


def test_a_job_that_nobody_can_make_any_more_waits_for_nobody() -> None:
    queued(ann())
    pools.change("preview", actor="me", reason="Shorter.", seconds=[2])

    dispatch.grant_free_slots()

    assert not Lease.objects.exists()
    assert not Offering.objects.filter(seconds=4).exists()


def unsettle() -> None:
    """Let the time pass after which nobody can still submit by the old offer."""
    Kind.objects.filter(left_at__isnull=False).update(left_at="2020-01-01T00:00:00Z")


def test_what_waits_moves_to_the_line_of_the_pools_that_can_make_it_now() -> None:
    owner, other = ann(), bob()
    pools.put("long", {**LONG, "seconds": [12]}, actor="me")
    jobs = [submit(person, seconds=12) for person in (owner, other, owner)]
    stays = submit(owner, seconds=12, size="854x480")
    pools.change("preview", actor="me", reason="Shorter.", sizes=["854x480"])

    unsettle()
    moved, again = rekinding.move_on(), rekinding.move_on()

    lines = dict(Backlog.objects.values_list("job_id", "line__kind"))
    assert (moved, again) == (3, 0)
    assert lines == {job.id: "long" for job in jobs} | {stays.id: "preview"}
    assert not Kind.objects.filter(left_at__isnull=False).exists()
    assert invariants.violations() == []


def test_a_new_pool_helps_those_who_wait_already() -> None:
    owner = ann()
    submit(owner, seconds=12)
    pools.put("long", {**LONG, "seconds": [12]}, actor="me")
    pools.change("preview", actor="me", reason="Maintenance.", state="paused")

    rekinding.move_on()
    dispatch.grant_free_slots()

    assert Lease.objects.get().pool_id == "long"


def test_what_nobody_makes_any_more_can_be_made_again_later() -> None:
    job_id = queued(ann())
    pools.change("preview", actor="me", reason="Shorter.", seconds=[2])
    unsettle()
    rekinding.move_on()
    waited = Backlog.objects.get(job_id=job_id).line.kind

    pools.change("preview", actor="me", reason="As before.", seconds=[2, 4])
    unsettle()
    rekinding.move_on()
    dispatch.grant_free_slots()

    assert waited == kinds.NO_POOL
    assert Lease.objects.get().job_id == job_id


def test_a_pool_gets_work_of_a_kind_again_once_all_that_waits_there_is_for_it() -> None:
    owner = ann()
    pools.put("long", {**LONG, "seconds": [4, 12]}, actor="me")
    submit(owner, seconds=12)
    pools.change("preview", actor="me", reason="Shorter.", seconds=[4])
    kind = Kind.objects.get(name="long+preview")
    kept_to = kind.usable

    rekinding.move_on()
    kind.refresh_from_db()
    too_soon = kind.usable
    unsettle()
    rekinding.move_on()
    kind.refresh_from_db()

    assert (kept_to, too_soon, kind.usable) == (["long"], ["long"], ["long", "preview"])


def test_a_mover_and_a_dispatcher_at_once_lose_nothing() -> None:
    owner = ann()
    pools.put("long", {**LONG, "slots": 3, "seconds": [12]}, actor="me")
    for _ in range(5):
        submit(owner, seconds=12)
    pools.change("preview", actor="me", reason="Shorter.", seconds=[4])

    dispatch.grant_free_slots()
    rekinding.move_on()
    dispatch.grant_free_slots()

    assert Lease.objects.filter(pool="long").count() == 3
    assert Backlog.objects.count() == 2
    assert invariants.violations() == []


def test_settling_twice_changes_nothing() -> None:
    ann()
    pools.put("long", {**LONG, "seconds": [4, 30]}, actor="me")
    rows = [list(model.objects.values()) for model in (Kind, Offering, Line)]

    kinds.settle()

    assert [list(model.objects.values()) for model in (Kind, Offering, Line)] == rows


def test_names_of_many_pools_stay_short_and_different() -> None:
    many = frozenset(f"a-pool-with-a-name-{number}" for number in range(9))

    names = {kinds.name_of(many), kinds.name_of(many | {"x"}), kinds.name_of(frozenset())}

    assert len(names) == 3
    assert max(map(len, names)) <= 64


def test_a_model_without_pools_is_offered_no_more() -> None:
    ann()
    pools.remove("preview", actor="me")

    assert not Pool.objects.exists()
    assert not Offering.objects.exists()
    assert catalog.offers() == {}
