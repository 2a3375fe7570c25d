"""What is kept of jobs as JSON: one text for a stamp, within bounds of size and time."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from jobs import outlooks
from jobs.api import kept, rows, shown
from jobs.ids import new_job_id
from jobs.models import Job, Lease
from tests.api.calls import get
from tests.factories import ann, bob, cy, queued, running, succeeded


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    kept.forget()
    yield
    kept.forget()


def test_a_text_is_found_by_its_stamp_alone() -> None:
    text = kept.keep("a:1:-1", b'{"id": "a"}')

    assert kept.find("a:1:-1") == text
    assert kept.find("a:2:-1") is None
    assert text.tag != kept.of(b'{"id": "b"}').tag


def test_what_was_not_read_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST", 300)
    for name in "abc":
        kept.keep(name, b"x" * 100)
    kept.find("a")

    kept.keep("d", b"x" * 50)
    kept.keep("d", b"x" * 100)

    assert set(kept.find_each("abcd")) == {"a", "c", "d"}


def test_a_text_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    kept.keep("a", b"{}")
    later = time.monotonic() + kept._LONGEST + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)

    assert kept.find("a") is None


@pytest.mark.django_db
def test_one_job_and_a_list_know_a_text_by_the_same_stamp() -> None:
    owner = ann()
    for job in (succeeded(owner), running(owner)):
        Lease.objects.filter(job=job).update(percent=40)
        row = rows.one(job.id, owner_id=owner.id)
        assert rows.find(job.id, owner_id=owner.id).stamp == rows.stamp_of(row)

        one = get(owner, f"jobs/{job.id}").content
        listed = get(owner, "jobs").content

        assert one in listed
        assert kept.find(rows.stamp_of(row)) is not None


@pytest.mark.django_db
def test_a_list_tells_what_waits_as_it_was_told_and_its_tag_is_as_of_then(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    owner = ann()
    job_id = queued(owner)
    told = get(owner, f"jobs/{job_id}").content
    (read_at,) = kept._told
    monkeypatch.setattr(time, "monotonic", lambda: read_at + 1.5)
    monkeypatch.setattr(time, "time", lambda: 1_800_000_001.75)

    with django_assert_num_queries(1):
        listed = get(owner, "jobs")
    again = get(owner, "jobs", if_none_match=listed["ETag"])
    monkeypatch.setattr(time, "time", lambda: 1_800_000_002.25)
    late = get(owner, "jobs", if_none_match=listed["ETag"])

    assert told in listed.content
    assert listed["ETag"].endswith('-1800000000"')
    assert [again.status_code, late.status_code] == [304, 200]


@pytest.mark.django_db
def test_the_tag_of_a_list_of_some_fields_is_as_of_when_its_lines_were_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = ann()
    queued(owner)
    outlooks.forget()
    read_at = outlooks.read_at()
    monkeypatch.setattr(time, "monotonic", lambda: read_at + 0.5)
    monkeypatch.setattr(time, "time", lambda: 1_800_000_001.25)

    listed = get(owner, "jobs?fields=id,waiting")

    assert listed["ETag"].endswith('-1800000000"')


@pytest.mark.django_db
def test_what_waits_is_told_anew_when_its_line_is_known_for_two_seconds_or_it_changed(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    owner = ann()
    job_id = queued(owner)
    first = get(owner, f"jobs/{job_id}")
    outlooks.forget()
    with django_assert_num_queries(1):
        again = get(owner, f"jobs/{job_id}")
    assert again.content == first.content

    Job.objects.filter(id=job_id).update(due_at=timezone.now() + timedelta(minutes=5))
    later = time.monotonic() + kept._TOLD_FOR
    with monkeypatch.context() as clock:
        clock.setattr(time, "monotonic", lambda: later)
        assert get(owner, f"jobs/{job_id}").json()["waiting"]["reason"] == "retrying"
    Job.objects.filter(id=job_id).update(due_at=None, version=F("version") + 1)
    assert get(owner, f"jobs/{job_id}").json()["waiting"]["reason"] != "retrying"


@pytest.mark.django_db
def test_of_what_is_probably_as_it_was_only_the_stamp_is_asked(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    owner = ann()
    jobs = [succeeded(owner).id, running(owner).id, queued(owner)]
    get(owner, f"jobs/{queued(owner)}")
    began = outlooks.read_at()
    monkeypatch.setattr(time, "monotonic", lambda: began)
    with django_assert_num_queries(3):
        told = [get(owner, f"jobs/{job_id}").content for job_id in jobs]
    with django_assert_num_queries(3) as asked:
        assert [get(owner, f"jobs/{job_id}").content for job_id in jobs] == told
    assert not any("prompt" in query["sql"] for query in asked)

    Job.objects.filter(id__in=jobs).update(
        progress=70, version=F("version") + 1, revision=F("revision") + 1
    )
    with django_assert_num_queries(6):
        assert [get(owner, f"jobs/{job_id}").json()["version"] for job_id in jobs] == [
            1 + json.loads(before)["version"] for before in told
        ]
    assert get(bob(), f"jobs/{jobs[0]}").status_code == 404
    for later, steady in (
        (0.0, [True] * 3),
        (kept._RUNS_FOR, [True, False, True]),
        (2.0, [True, False, False]),
    ):
        monkeypatch.setattr(time, "monotonic", lambda later=later: began + later)
        assert [kept.is_steady(job_id) for job_id in jobs] == steady


def test_only_of_what_is_kept_the_stamp_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST", 200)
    monkeypatch.setattr(kept, "_MOST_TOLD", 150)
    jobs = [new_job_id() for _ in range(3)]
    waiting = [new_job_id() for _ in range(2)]
    now = time.monotonic()

    for job_id in jobs:
        kept.keep(f"{job_id}:e1", b"x" * 100)
    for job_id in waiting:
        kept.tell(f"{job_id}:1:-1q", b"x" * 100, read_at=now)

    assert [kept.is_steady(job_id) for job_id in jobs] == [False, True, True]
    assert [kept.is_steady(job_id) for job_id in waiting] == [True, False]
    monkeypatch.setattr(time, "monotonic", lambda: now + kept._TOLD_FOR)
    kept.find_each([])
    assert set(kept._steady) == {str(job_id) for job_id in jobs[1:]}


@pytest.mark.django_db
def test_what_waits_is_told_no_longer_than_its_place_is_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = ann()
    job_id = queued(owner)
    row = rows.find(job_id, owner_id=owner.id).row()
    asked_at = row["lanes_asked_at"]
    outlooks.forget()
    monkeypatch.setattr(time, "monotonic", lambda: asked_at + 0.7)

    assert shown.text_of(row, owner_id=owner.id).at == asked_at


def test_what_was_told_already_is_told_again() -> None:
    read_at = time.monotonic()
    first = kept.tell("a:1:-1q", b"{}", read_at=read_at)

    assert kept.tell("a:1:-1q", b"{ }", read_at=read_at) is first


def test_what_was_said_of_lines_that_are_old_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept.tell("a:1:-1q", b"{}", read_at=time.monotonic())
    later = time.monotonic() + kept._TOLD_FOR
    monkeypatch.setattr(time, "monotonic", lambda: later)

    kept.tell("b:1:-1q", b"{}", read_at=later)

    assert kept.find("a:1:-1q") is None
    assert list(kept._told) == [later]


def test_what_is_said_of_what_waits_has_bounds_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST_TOLD", 250)
    now = time.monotonic()

    # Two threads may write the same.
    for name in "aabc":
        told = kept.tell(name, b"x" * 100, read_at=now)

    assert told.json == b"x" * 100
    assert set(kept.find_each("abc")) == {"a", "b"}
    monkeypatch.setattr(time, "monotonic", lambda: now + kept._TOLD_FOR)
    assert kept.find("a") is None
    assert (kept._told, kept._told_size) == ({}, 0)


def test_of_two_texts_the_one_whose_line_was_read_later_is_told() -> None:
    now = time.monotonic()

    kept.tell("a", b"new", read_at=now)
    kept.tell("a", b"old", read_at=now - 1)

    assert kept.find_each("a")["a"].json == b"new"


@pytest.mark.django_db
def test_a_kept_text_is_given_to_nobody_else_and_not_after_it_was_hidden() -> None:
    owner, stranger = ann(), cy()
    job = succeeded(owner)
    assert get(owner, f"jobs/{job.id}").status_code == 200

    assert get(stranger, f"jobs/{job.id}").status_code == 404
    Job.objects.filter(id=job.id).update(hidden_at="2020-01-01T00:00:00Z")
    assert get(owner, f"jobs/{job.id}").status_code == 404
    assert get(owner, "jobs").json()["jobs"] == []
