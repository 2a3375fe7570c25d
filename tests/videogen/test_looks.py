"""What the clock leaves out: only what would find nothing, and never for long."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.functions import Now

from jobs.models import Job, Kind, Lease, Offering, Orphan, Pool
from scheduler.models import Operation
from tests.factories import Person, ann, dispatched, queued
from videogen import beat, looks
from videogen.accounts.models import Export, Suspension, User

pytestmark = pytest.mark.django_db(transaction=True)

PAST = Now() - timedelta(minutes=2)


def _a_lease_that_ran_out(owner: Person) -> None:
    dispatched(owner)
    Lease.objects.update(expires_at=PAST)


def _an_attempt_that_runs_long(owner: Person) -> None:
    dispatched(owner)
    Lease.objects.update(granted_at=PAST)


def _a_job_that_waited_too_long(owner: Person) -> None:
    queued(owner)
    Job.objects.update(start_by=PAST)


def _a_job_that_ends_too_late(owner: Person) -> None:
    queued(owner)
    Job.objects.update(finish_by=PAST)


def _a_retry_that_is_due(owner: Person) -> None:
    queued(owner)
    Job.objects.update(due_at=PAST)


def _a_kind_that_was_left(_: Person) -> None:
    Kind.objects.filter(name="preview").update(left_at=PAST)


def _a_kind_of_nothing(owner: Person) -> None:
    queued(owner)
    Offering.objects.all().delete()


def _slots_that_come_back(_: Person) -> None:
    Pool.objects.update(restore_at=PAST, usual_slots=2)


def _work_without_an_owner(owner: Person) -> None:
    job = dispatched(owner)
    Orphan.objects.create(pool="preview", job_id=job.id, attempt=1, due_at=PAST)


def _an_operation(_: Person) -> None:
    Operation.objects.create(
        name="a test", doing="cancel", filters={}, actor="ops", reason="a test", end=uuid4()
    )


def _a_suspended_account(owner: Person) -> None:
    Suspension.objects.create(user=User.objects.get(id=owner.id), reason="a test")


def _a_wish_for_a_copy(owner: Person) -> None:
    Export.objects.create(user=User.objects.get(id=owner.id))


FINDS: dict[Callable[[Person], None], str] = {
    _a_lease_that_ran_out: "scheduler.rescue_silent_workers",
    _an_attempt_that_runs_long: "scheduler.question_long_runs",
    _a_job_that_waited_too_long: "scheduler.expire_waiting",
    _a_job_that_ends_too_late: "scheduler.expire_waiting",
    _a_retry_that_is_due: "scheduler.return_due_retries",
    _a_kind_that_was_left: "scheduler.move_on",
    _a_kind_of_nothing: "scheduler.move_on",
    _slots_that_come_back: "scheduler.give_back_slots",
    _work_without_an_owner: "scheduler.stop_orphans",
    _an_operation: "scheduler.work_operations",
    _a_suspended_account: "videogen.withdraw_jobs_of_suspended",
    _a_wish_for_a_copy: "videogen.make_exports",
}


@pytest.mark.parametrize("cause", FINDS)
def test_what_has_something_to_do_is_found_and_nothing_else(
    cause: Callable[[Person], None],
) -> None:
    owner = ann()
    # As they are once the pool that is new has settled.
    Kind.objects.update(left_at=None)
    assert looks.found(looks.CONDITIONS) == set()

    cause(owner)

    assert looks.found(looks.CONDITIONS) == {FINDS[cause]}


def test_every_condition_is_of_a_task_of_the_clock_and_is_tried() -> None:
    assert looks.CONDITIONS.keys() <= beat.SCHEDULE.keys()
    assert set(FINDS.values()) == looks.CONDITIONS.keys()


def test_without_a_database_everything_is_sent() -> None:
    connection.close()
    connection.settings_dict["PORT"], port = "1", connection.settings_dict["PORT"]
    try:
        assert looks.found(["scheduler.move_on"]) == {"scheduler.move_on"}
    finally:
        connection.settings_dict["PORT"] = port


def test_where_nothing_is_asked_for_nobody_looks(
    django_assert_num_queries: Callable[[int], AbstractContextManager[object]],
) -> None:
    with django_assert_num_queries(0):
        assert looks.found([]) == set()
