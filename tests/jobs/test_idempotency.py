"""The same request again: by key, by form, by count of retries, by the job that it repeats."""

from datetime import timedelta

import pytest
from django.db.models import F

from jobs import idempotency, submission, transitions
from jobs.errors import Busy, JobMissing, KeyReused, RetryRefused, StillInProgress
from jobs.idempotency import Claim
from jobs.ids import new_job_id
from jobs.models import Account, IdempotencyKey, Job, LedgerEntry
from scheduler import sweeps
from tests.factories import Person, a_request, ann, cy, queued, submit

pytestmark = pytest.mark.django_db(transaction=True)


def _form(
    owner: Person, token: str, prompt: str = "a whale", *, is_another_take: bool = False
) -> submission.Accepted:
    request = a_request(prompt)
    claim = Claim.by_form(token, request, is_another_take=is_another_take)
    return submission.submit(request, owner_id=owner.id, claim=claim)


def _sent(owner: Person, count: int, prompt: str = "a whale") -> submission.Accepted:
    request = a_request(prompt)
    return submission.submit(request, owner_id=owner.id, claim=Claim.by_retry_count(count, request))


def _age(seconds: float) -> None:
    IdempotencyKey.objects.update(created_at=F("created_at") - timedelta(seconds=seconds))


def _reserved() -> int:
    return LedgerEntry.objects.filter(kind="reserve").count()


def test_the_same_form_twice_is_one_job() -> None:
    owner = ann()

    answers = [_form(owner, "t1") for _ in range(2)]

    assert len({answer.job_id for answer in answers}) == 1
    assert [answer.is_replay for answer in answers] == [False, True]
    assert _reserved() == 1


def test_two_forms_with_the_same_content_within_seconds_are_one_job() -> None:
    owner = ann()
    first = _form(owner, "t1")
    _age(2)

    second = _form(owner, "t2")

    assert (second.job_id, second.is_replay) == (first.job_id, True)
    assert 2 <= second.seconds_ago < 4
    assert not IdempotencyKey.objects.filter(key__contains="t2").exists()


def test_the_same_content_later_is_a_job_of_its_own() -> None:
    owner = ann()
    first = _form(owner, "t1")
    _age(6)

    assert _form(owner, "t2").job_id != first.job_id
    assert _form(owner, "t1").job_id == first.job_id


def test_the_same_content_after_a_cancel_is_a_job_of_its_own() -> None:
    owner = ann()
    first = _form(owner, "t1")
    transitions.cancel(first.job_id, owner_id=owner.id)

    again = _form(owner, "t2")

    assert again.job_id != first.job_id
    assert not again.is_replay


def test_another_take_is_a_job_of_its_own() -> None:
    owner = ann()
    first = _form(owner, "t1")

    second = _form(owner, "t2", is_another_take=True)

    assert second.job_id != first.job_id
    assert _form(owner, "t2", is_another_take=True).job_id == second.job_id


def test_a_form_that_was_sent_cannot_be_sent_with_another_prompt() -> None:
    owner = ann()
    _form(owner, "t1")
    before = (Job.objects.count(), IdempotencyKey.objects.count())

    with pytest.raises(KeyReused):
        _form(owner, "t1", "a shark")

    assert (Job.objects.count(), IdempotencyKey.objects.count()) == before


def test_a_form_without_a_token_is_known_by_its_content() -> None:
    owner = ann()

    assert _form(owner, "").job_id == _form(owner, "").job_id


def test_a_counted_retry_within_two_minutes_gives_the_earlier_job() -> None:
    owner = ann()
    first = _sent(owner, 0)
    _age(110)

    again = _sent(owner, 2)

    assert (again.job_id, again.is_replay) == (first.job_id, True)
    assert _reserved() == 1


def test_a_counted_retry_of_something_else_or_of_long_ago_is_a_new_job() -> None:
    owner = ann()
    first = _sent(owner, 0)

    other = _sent(owner, 1, "a shark")
    _age(130)
    late = _sent(owner, 1)

    assert len({first.job_id, other.job_id, late.job_id}) == 3


def test_a_first_try_is_always_a_new_job() -> None:
    owner = ann()

    assert _sent(owner, 0).job_id != _sent(owner, 0).job_id


def test_what_one_owner_sent_is_no_repetition_for_another() -> None:
    assert _sent(ann(), 0).job_id != _sent(cy(), 1).job_id


def test_a_key_never_charges_twice_even_after_its_answer_is_gone() -> None:
    owner = ann()
    first = submit(owner, key="k1")
    _age(8 * 86_400)

    forgotten = sweeps.forget_keys()
    again = submit(owner, key="k1")

    assert forgotten == 1
    assert (again.job_id, again.is_replay) == (first.job_id, True)
    assert _reserved() == 1
    with pytest.raises(KeyReused):
        submit(owner, "a shark", key="k1")


def test_a_key_is_kept_seven_days() -> None:
    submit(ann(), key="k1")
    _age(6.9 * 86_400)

    assert idempotency.forget(limit=10) == 0


def test_a_program_s_key_never_meets_one_of_ours() -> None:
    owner = ann()
    first = _form(owner, "t1")

    assert submit(owner, key="form:t1").job_id != first.job_id


def _ended(owner: Person) -> Job:
    job_id = queued(owner)
    transitions.cancel(job_id, owner_id=owner.id)
    return Job.objects.get(id=job_id)


def test_a_retry_is_one_new_job_with_its_own_reservation() -> None:
    owner = ann()
    job = _ended(owner)

    retries = [submission.retry(job.id, owner_id=owner.id) for _ in range(3)]

    new = Job.objects.get(id=retries[0].job_id)
    assert {retry.job_id for retry in retries} == {new.id}
    assert (new.retry_of, new.prompt, new.state) == (job.id, job.prompt, "queued")
    assert _reserved() == 2


def test_only_what_ended_without_a_video_is_retried() -> None:
    owner = ann()
    waiting = queued(owner)
    before = Job.objects.count()

    with pytest.raises(RetryRefused):
        submission.retry(waiting, owner_id=owner.id)

    assert Job.objects.count() == before


def test_nobody_retries_what_belongs_to_somebody_else() -> None:
    job, stranger = _ended(ann()), cy()

    for job_id in (job.id, new_job_id()):
        with pytest.raises(JobMissing):
            submission.retry(job_id, owner_id=stranger.id)


@pytest.mark.parametrize(
    ("key", "refusal"), [("k1", StillInProgress), (None, Busy)], ids=["with a key", "without"]
)
def test_a_submission_that_cannot_wait_any_longer_says_so(
    key: str | None, refusal: type[Exception]
) -> None:
    from django.db import connection

    owner = ann()
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("select 1 from account for update")
        with connection.cursor() as cursor:
            cursor.execute("set lock_timeout = '50ms'")
        with pytest.raises(refusal):
            submit(owner, key=key)
    finally:
        other.close()
        connection.close()

    assert not Job.objects.exists()
    assert submit(owner, key="k1").is_replay is False


def test_a_new_month_s_credits_are_there_at_the_first_submission() -> None:
    from tests.jobs.test_ledger import _forget_grants

    owner = ann()
    Account.objects.update(balance=0, granted_month="2020-01")
    _forget_grants()

    assert submit(owner).is_replay is False


def test_a_first_try_that_comes_after_its_retry_is_given_its_job_once() -> None:
    owner = ann()
    retry, first, another = (_sent(owner, count) for count in (1, 0, 0))

    assert (first.job_id, first.is_replay) == (retry.job_id, True)
    assert another.job_id != retry.job_id
