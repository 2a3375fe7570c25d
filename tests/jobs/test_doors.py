"""The door of a line: what it refuses, the place that it keeps, and how often a ticket is good."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from django.db.models import Sum

from jobs import door as policy
from jobs import entrance, outlooks, refusals, requests, submission
from jobs.door import Admitted, Own, knock
from jobs.entrance import Origin
from jobs.errors import NoRoom, QuotaExceeded
from jobs.idempotency import Claim
from jobs.ids import new_job_id
from jobs.models import Account, Door, Gate, IdempotencyKey, Job, Lane, Line, Pool, Ticket, Tier
from scheduler import publisher as published
from scheduler.publisher import Publisher
from tests.factories import Person, a_request, ann, bob, cy, person, queued, submit

pytestmark = pytest.mark.django_db

COST = 4.0


def _publish() -> None:
    Publisher().publish()
    outlooks.forget()


def _door(owner: Person, **values: float | None) -> Door:
    """Give the owner's line a door with this bound, drain and work."""
    tier = Account.objects.get(owner_id=owner.id).tier_id
    line = Line.objects.get(tier_id=tier, kind="preview")
    door, _ = Door.objects.update_or_create(line=line, defaults={"drain": 1.0, **values})
    return door


def _counted(line: Line) -> tuple[float, float]:
    """Give what waited when the door was published, and what it and its gates counted since."""
    door = Door.objects.get(line=line)
    by_gates = Gate.objects.filter(line=line).aggregate(added=Sum("added", default=0.0))["added"]
    return door.work, door.added + by_gates


def _refusal(owner: Person, prompt: str = "a whale", **more: str | None) -> NoRoom:
    with pytest.raises(NoRoom) as caught:
        submit(owner, prompt, **more)
    return caught.value


def test_a_full_line_refuses_with_a_place_and_a_time() -> None:
    owner = ann()
    _door(owner, bound=100.0, work=98.0)

    refusal = _refusal(owner, key="k1")

    ticket = Ticket.objects.get(owner_id=owner.id)
    assert (refusal.code, refusal.value, refusal.used) == ("tier_full", 100.0, 98.0)
    # Room for it within 90 % of the bound, at one GPU-second a second.
    assert 12 <= (refusal.retry_after_seconds or 0) <= 15
    assert refusal.is_standby_offered
    assert (ticket.valid_until - ticket.valid_from) == timedelta(seconds=60)
    assert Job.objects.count() == 0
    assert Account.objects.get(owner_id=owner.id).day_jobs == 0


def test_each_refused_caller_gets_the_next_place() -> None:
    first, second = ann(), person("dan", tier="pro")
    _door(first, bound=100.0, work=98.0)

    _refusal(first)
    _refusal(second)

    one = Ticket.objects.get(owner_id=first.id).valid_from
    two = Ticket.objects.get(owner_id=second.id).valid_from
    assert (two - one).total_seconds() == pytest.approx(COST / 0.9, abs=0.01)


def test_who_comes_before_the_time_keeps_the_place() -> None:
    owner = ann()
    _door(owner, bound=100.0, work=98.0)
    first = _refusal(owner, key="k1")
    place = Ticket.objects.get().valid_from

    second = _refusal(owner, key="k1")

    assert Ticket.objects.get().valid_from == place
    assert abs((second.retry_after_seconds or 0) - (first.retry_after_seconds or 0)) <= 2


def test_a_ticket_lets_its_caller_in_where_others_are_refused_and_only_once() -> None:
    owner, other = ann(), person("dan", tier="pro")
    door = _door(owner, bound=100.0, work=98.0)
    _refusal(owner, key="k1")
    Ticket.objects.update(valid_from=datetime.now(UTC) - timedelta(seconds=1))
    # The line drained a little; the book is still open.
    Door.objects.filter(line=door.line_id).update(work=92.0)

    refused = _refusal(other)
    accepted = submit(owner, key="k1")

    assert refused.code == "tier_full"
    assert Ticket.objects.get(owner_id=owner.id).job_id == accepted.job_id
    assert _refusal(owner, key="k2").code == "tier_full"


def test_a_replay_passes_a_full_line_and_counts_nothing() -> None:
    owner = ann()
    door = _door(owner, bound=100.0, work=50.0)
    first = submit(owner, key="k1")
    Door.objects.filter(line=door.line_id).update(work=99.0)

    again = submit(owner, key="k1")
    Door.objects.filter(line=door.line_id).update(work=0.0)
    submit(owner, key="k1")

    assert (again.job_id, again.is_replay) == (first.job_id, True)
    assert Door.objects.get(line=door.line_id).added == pytest.approx(COST)


def test_who_is_refused_is_not_given_an_old_job_with_the_same_words() -> None:
    owner = ann()
    door = _door(owner, bound=100.0, work=0.0)
    request = a_request()

    def send(token: str) -> submission.Accepted:
        claim = Claim.by_form(token, request)
        return submission.submit(request, owner_id=owner.id, claim=claim)

    first = send("one")
    Door.objects.filter(line=door.line_id).update(work=99.0)
    assert send("two").job_id == first.job_id
    IdempotencyKey.objects.update(created_at=datetime.now(UTC) - timedelta(seconds=6))

    with pytest.raises(NoRoom):
        send("three")


def test_a_job_that_nothing_waits_before_is_taken_however_long_it_is() -> None:
    owner = ann()
    _door(owner, bound=1.0, work=0.0)

    submit(owner)

    assert _refusal(owner).code == "tier_full"


def test_without_capacity_it_says_so_and_names_no_time() -> None:
    owner = ann()
    Pool.objects.update(state="paused")
    _publish()

    refusal = _refusal(owner)

    assert (refusal.code, refusal.retry_after_seconds) == ("no_capacity", None)
    assert Ticket.objects.count() == 0


def test_a_resumed_pool_opens_its_doors_before_the_next_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(published, "EVERY", 3600.0)
    monkeypatch.setattr(published, "_REST", 0.0)
    owner, publisher = ann(), Publisher()
    Pool.objects.update(state="paused")
    assert publisher.step()
    assert _refusal(owner).code == "no_capacity"
    assert not publisher.step()

    Pool.objects.update(state="active")

    assert publisher.step()
    queued(owner)
    Pool.objects.update(state="paused")
    assert publisher.step()
    assert _refusal(owner, "another whale").code == "no_capacity"
    assert not publisher.step()


def test_the_bound_follows_capacity() -> None:
    owner = ann()
    Pool.objects.update(slots=4)
    _publish()
    line = Line.objects.get(tier_id="pro", kind="preview")
    before = Door.objects.get(line=line).bound

    Pool.objects.update(slots=2)
    _publish()

    # Nine tenths of five minutes of four slots, then of two.
    assert before == pytest.approx(1080.0)
    assert Door.objects.get(line=line).bound == pytest.approx(540.0)
    queued(owner)


def test_what_is_published_is_what_waits() -> None:
    owner = ann()
    _publish()
    for _ in range(3):
        submit(owner)
    line = Line.objects.get(tier_id="pro", kind="preview")
    assert _counted(line) == pytest.approx((0.0, 3 * COST))
    bound = Door.objects.get(line=line).bound
    assert bound

    _publish()

    assert _counted(line) == pytest.approx((3 * COST, 0.0))
    door = Door.objects.get(line=line)
    assert door.work == pytest.approx(Lane.objects.get(owner_id=owner.id).work)
    # Let in by gates, and the fullest that the line was all the same.
    assert door.fullest == pytest.approx(3 * COST / bound)


def test_standby_is_taken_where_the_line_is_full_and_only_so_many() -> None:
    owner = ann()
    _door(owner, bound=1.0, work=99.0)
    Tier.objects.filter(name="standby").update(queued_limit=2)
    wanted = requests.read({"prompt": "a whale", "standby": True})

    made = [submission.submit(wanted, owner_id=owner.id).job_id for _ in range(2)]

    assert {job.tier_id for job in Job.objects.filter(id__in=made)} == {"standby"}
    assert all(job.start_by for job in Job.objects.filter(id__in=made))
    with pytest.raises(QuotaExceeded) as refused:
        submission.submit(wanted, owner_id=owner.id)
    assert (refused.value.limit, refused.value.value) == ("queued", 2)


def test_standby_takes_no_place_of_the_plan() -> None:
    owner = bob()
    wanted = requests.read({"prompt": "a whale", "standby": True})
    for _ in range(3):
        submission.submit(wanted, owner_id=owner.id)

    for _ in range(10):
        submit(owner)

    with pytest.raises(QuotaExceeded):
        submit(owner)


def test_a_full_own_line_names_when_the_next_place_frees_and_keeps_it() -> None:
    owner = bob()
    _publish()
    for _ in range(10):
        submit(owner)
    _publish()

    with pytest.raises(QuotaExceeded) as refused:
        submit(owner, key="k1")

    ticket = Ticket.objects.get(owner_id=owner.id)
    assert (refused.value.limit, refused.value.value, refused.value.used) == ("queued", 10, 10)
    assert refused.value.retry_after_seconds is not None
    Ticket.objects.update(valid_from=datetime.now(UTC) - timedelta(seconds=1))
    accepted = submit(owner, key="k1")
    assert Ticket.objects.get(id=ticket.id).job_id == accepted.job_id
    with pytest.raises(QuotaExceeded):
        submit(owner, key="k2")


def test_what_is_foreseen_is_what_is_refused_and_writes_nothing() -> None:
    owner = ann()
    _door(owner, bound=100.0, work=98.0)
    request = a_request()

    foreseen = refusals.foresee(request, owner_id=owner.id)

    assert Ticket.objects.count() == 0
    assert isinstance(foreseen, NoRoom)
    assert foreseen.code == _refusal(owner).code


def test_the_statement_decides_as_the_policy_does() -> None:
    """Random doors, books, tickets and costs: accepted by one exactly when accepted by the other."""
    owner, random = cy(), Random(5)
    door = _door(owner, bound=1.0)
    Tier.objects.filter(name="enterprise").update(queued_limit=None)
    agreed = {True: 0, False: 0}
    for number in range(150):
        now = datetime.now(UTC)
        work = random.choice([0.0, random.uniform(0.0, 110.0), random.uniform(85.0, 101.0)])
        bound = random.choice([100.0, 100.0, None, 2.0])
        drain = random.choice([0.0, 1.0, 3.0, 3.0])
        book = now + timedelta(seconds=random.choice([-60.0, 60.0]))
        Door.objects.filter(line=door.line_id).update(
            bound=bound, drain=drain, work=work, added=0.0, book=book
        )
        Ticket.objects.all().delete()
        ticket = None
        if random.random() < 0.5:
            start = now + timedelta(seconds=random.choice([-90.0, -5.0, 30.0]))
            row = Ticket.objects.create(
                owner_id=owner.id,
                line_id=door.line_id,
                why="tier_full",
                fingerprint=b"x",
                valid_from=start,
                valid_until=start + timedelta(seconds=60),
            )
            ticket = policy.Ticket(at=row.valid_from.timestamp(), until=row.valid_until.timestamp())

        decided = knock(
            policy.Door(bound=bound, drain=drain, work=work, book=book.timestamp()),
            Own(),
            cost=COST,
            now=now.timestamp(),
            ticket=ticket,
            spread=0.0,
        )
        found = entrance.enter(
            a_request(f"take {number}"),
            job_id=new_job_id(),
            owner_id=owner.id,
            claim=Claim(),
            origin=Origin(),
        )

        admitted = isinstance(decided, Admitted)
        assert bool(found.is_entered) is admitted, (work, bound, drain, book, ticket)
        used = Ticket.objects.filter(job_id__isnull=False).exists()
        assert used is (isinstance(decided, Admitted) and decided.uses_ticket)
        agreed[admitted] += 1
    assert min(agreed.values()) > 30
