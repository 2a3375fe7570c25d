"""Requests that arrive together are entered together, each as it would be alone; whoever cannot be goes alone."""

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import pytest
from django.db import connection, transaction

from jobs import entrance, outlooks, requests, submission, submit_statement
from jobs.entrance import Origin, Outcome, _Entry
from jobs.errors import KeyReused
from jobs.idempotency import Claim
from jobs.ids import new_job_id
from jobs.models import (
    Account,
    Backlog,
    Door,
    Gate,
    IdempotencyKey,
    Job,
    JobTransition,
    Lane,
    LedgerEntry,
    Line,
    Ticket,
)
from notifications.models import OutboxEvent
from scheduler import invariants
from scheduler.publisher import Publisher
from tests.factories import Person, a_request, person, submit
from tests.races import at_once

pytestmark = pytest.mark.django_db(transaction=True)

# What differs between two jobs that were asked for alike.
_OWN: Final = frozenset(
    {
        "id",
        "owner",
        "owner_id",
        "account",
        "account_id",
        "job",
        "job_id",
        "subject_id",
        "head_id",
        "sequence",
        "sender",
    }
)


def _people(count: int, *, tier: str = "internal") -> list[Person]:
    return [person(f"caller{number}", tier=tier) for number in range(count)]


def _entry(owner: Person, *, key: str | None = "key", **fields: Any) -> _Entry:
    return _Entry(
        request=requests.read({"prompt": "a “whale”\u2028 of 鯨", "seconds": 4, **fields}),
        owner_id=owner.id,
        job_id=new_job_id(),
        claim=Claim.by_key(key),
        origin=Origin(sent_by='API key "one"'),
    )


def _entered(found: Sequence[Outcome | None]) -> list[bool]:
    return [one is not None and one.is_entered for one in found]


def _rows(owner: Person) -> dict[str, list[dict[str, Any]]]:
    """Give all that was written of an owner, without what is its own or the moment's."""
    job_ids = list(Job.objects.filter(owner_id=owner.id).values_list("id", flat=True))
    found = {
        "job": Job.objects.filter(owner_id=owner.id).values(),
        "account": Account.objects.filter(owner_id=owner.id).values(),
        "key": IdempotencyKey.objects.filter(owner_id=owner.id).values(),
        "transition": JobTransition.objects.filter(job_id__in=job_ids).values(),
        "entry": LedgerEntry.objects.filter(account_id=owner.id, kind="reserve").values(),
        "backlog": Backlog.objects.filter(owner_id=owner.id).values(),
        "lane": Lane.objects.filter(owner_id=owner.id).values(),
        "event": OutboxEvent.objects.filter(owner_id=owner.id, name="job.submitted").values(),
    }
    return {
        name: [
            {
                field: value
                for field, value in row.items()
                if field not in _OWN
                and not isinstance(value, datetime)
                and not field.endswith("_id_id")
            }
            for row in rows
        ]
        for name, rows in found.items()
    }


def test_what_is_written_of_several_is_what_is_written_of_each_alone() -> None:
    alone, *several = _people(4)
    fields: dict[str, Any] = {"seed": 2**32 - 1, "start_within": 600, "finish_within": 900}
    assert entrance._by_turns(_entry(alone, **fields)) is not None

    found = entrance._together([_entry(owner, **fields) for owner in several])

    assert _entered(found) == [True] * 3
    told = found[0]
    job = Job.objects.get(owner_id=several[0].id)
    assert told is not None
    assert (told.created_at, told.start_by, told.finish_by) == (
        job.created_at,
        job.start_by,
        job.finish_by,
    )
    assert (told.tier, told.places_left) == ("internal", None)
    wanted = _rows(alone)
    assert all(len(rows) == 1 for rows in wanted.values()), wanted
    for owner in several:
        found_rows = _rows(owner)
        for name, rows in wanted.items():
            ours = {key for row in rows for key in row if key not in ("shard", "relayed_at")}
            assert [{k: r[k] for k in ours} for r in found_rows[name]] == [
                {k: r[k] for k in ours} for r in rows
            ], name
    assert invariants.violations(grace=3600) == []


def test_who_has_no_room_writes_nothing_and_keeps_nobody_out() -> None:
    poor, busy, rich, plain = _people(4, tier="free")
    Account.objects.filter(owner_id=poor.id).update(balance=0, held=0)
    Account.objects.filter(owner_id=busy.id).update(day=datetime.now(UTC).date(), day_jobs=25)

    found = entrance._together([_entry(poor), _entry(busy), _entry(rich), _entry(plain, key=None)])

    assert [one is not None and one.has_passed for one in found] == [False, False, True, True]
    assert _entered(found) == [False, False, True, True]
    assert set(Job.objects.values_list("owner_id", flat=True)) == {rich.id, plain.id}
    assert set(IdempotencyKey.objects.values_list("owner_id", flat=True)) == {rich.id}


def test_who_came_before_gets_its_job_again_and_counts_nothing() -> None:
    first, second = _people(2, tier="pro")
    line = Line.objects.get(tier_id="pro", kind="preview")
    Door.objects.update_or_create(
        line=line, defaults={"drain": 1.0, "bound": 100.0, "work": 0.0, "lent": 40.0}
    )
    Gate.objects.create(line=line, number=3, room=40.0, added=0.0)
    earlier = submit(first, key="key")
    counted = _waiting(line)

    entries = [_entry(first), _entry(second)]
    found = entrance._together(entries)
    for entry, outcome in zip(entries, found, strict=True):
        assert outcome is not None
        entrance._give_back(entry, outcome)

    assert [one and (one.has_passed, one.is_entered) for one in found] == [
        (True, False),
        (True, True),
    ]
    assert _waiting(line) == counted + a_request().estimate
    assert Job.objects.filter(owner_id=first.id).get().id == earlier.job_id
    with pytest.raises(KeyReused):
        submit(first, "another prompt", key="key")


def _waiting(line: Line) -> float:
    door = Door.objects.get(line=line)
    return door.added + sum(Gate.objects.filter(line=line).values_list("added", flat=True))


def test_those_of_a_line_go_by_one_gate_with_room_for_all_or_alone() -> None:
    several = _people(3, tier="pro")
    line = Line.objects.get(tier_id="pro", kind="preview")
    cost = a_request().estimate
    Door.objects.update_or_create(line=line, defaults={"drain": 1.0, "bound": 100.0, "work": 0.0})
    for number in range(4):
        Gate.objects.create(line=line, number=number, room=2 * cost, added=0.0)

    found = entrance._together([_entry(owner) for owner in several])
    assert [one is None or one.has_passed for one in found] == [False] * 3
    assert Job.objects.count() == 0
    assert _entered(entrance._together([_entry(owner) for owner in several[:2]])) == [True, True]

    (gate,) = Gate.objects.filter(line=line, added__gt=0)
    assert (gate.room, gate.added) == (0.0, 2 * cost)


def test_whoever_holds_a_ticket_goes_alone() -> None:
    holder, other = _people(2)
    line = Line.objects.get(tier_id="internal", kind="preview")
    now = datetime.now(UTC)
    Ticket.objects.create(
        owner_id=holder.id,
        line=line,
        fingerprint=b"",
        valid_from=now,
        valid_until=now + timedelta(minutes=1),
    )

    assert _entered(entrance._together([_entry(holder), _entry(other)])) == [False, True]


def test_an_account_that_is_held_holds_nobody_else() -> None:
    held, *others = _people(3)

    def enter() -> list[bool]:
        return _entered(entrance._together([_entry(owner) for owner in (held, *others)]))

    with transaction.atomic():
        Account.objects.select_for_update(no_key=True).get(owner_id=held.id)
        (together,) = at_once.threads([enter])
        (alone,) = at_once.threads([lambda: _entered(entrance._together([_entry(held)]))])

    assert (together, alone) == ([False, True, True], [False])
    assert _entered(entrance._together([_entry(held)])) == [True]


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a statement of several look at accounts a while after it began."""
    asked = submit_statement._ASKED
    slow = asked.replace("from json_to_recordset", "from pg_sleep(2) slept, json_to_recordset")
    assert slow != asked
    monkeypatch.setattr(submit_statement, "_ASKED", slow)
    submit_statement.of_several.cache_clear()
    yield
    submit_statement.of_several.cache_clear()


@pytest.mark.usefixtures("slowly")
def test_limits_are_those_of_the_account_as_the_one_before_left_it() -> None:
    spent, other = _people(2)

    def spend() -> list[bool]:
        # After the statement beside it has begun, and before it looks.
        time.sleep(0.7)
        return [bool(Account.objects.filter(owner_id=spent.id).update(balance=0))]

    entered, _ = at_once.threads(
        [lambda: _entered(entrance._together([_entry(spent), _entry(other)])), spend]
    )

    assert entered == [False, True]


def test_where_one_breaks_a_rule_all_go_alone_and_only_that_one_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    known, fresh = _people(2)
    earlier = submit(known, key="key")
    # Claims are forgotten after their days; the job still knows its key.
    IdempotencyKey.objects.all().delete()

    with caplog.at_level(logging.INFO, logger="jobs.entrance"):
        assert entrance._together([_entry(known), _entry(fresh)]) == [None, None]

    (told,) = [one for one in caplog.records if one.message == "submissions_go_alone"]
    assert told.__dict__["reason"] == "IntegrityError"
    assert Job.objects.get().id == earlier.job_id
    assert submit(fresh, key="key").is_replay is False
    assert submit(known, key="key").job_id == earlier.job_id


@pytest.mark.parametrize("with_keys", [True, False])
def test_sixteen_callers_of_four_accounts_lose_and_double_nothing(with_keys: bool) -> None:
    owners, rounds = _people(4), 10

    def call(number: int) -> list[submission.Accepted]:
        owner = owners[number % len(owners)]
        return [
            submit(owner, key=f"{number} {turn}" if with_keys else None) for turn in range(rounds)
        ]

    answers = at_once.threads([partial(call, number) for number in range(16)])

    made = [accepted.job_id for each in answers for accepted in each]
    assert len(set(made)) == len(made) == Job.objects.count() == 16 * rounds
    assert LedgerEntry.objects.filter(kind="reserve").count() == 16 * rounds
    assert all(owner.day_jobs == 40 for owner in Account.objects.filter(tier_id="internal"))
    Publisher().publish()
    outlooks.forget()
    assert invariants.violations(grace=3600) == []


def test_within_a_callers_transaction_nobody_waits_for_others() -> None:
    (owner,) = _people(1)
    with transaction.atomic():
        assert not entrance._may_go_together(_entry(owner))
    assert entrance._may_go_together(_entry(owner))
    assert not entrance._may_go_together(_entry(owner, standby=True))
    assert connection.get_autocommit()
