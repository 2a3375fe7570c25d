"""Many submissions at the same moment: from three processes, and from fifty threads."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from uuid import UUID

import pytest
from django.db import IntegrityError

from jobs import entrance, ledger, seeds, submission, submit_statement, transitions
from jobs.errors import KeyReused, QuotaExceeded
from jobs.idempotency import Claim
from jobs.models import Account, IdempotencyKey, Job, LedgerEntry, Tier
from notifications.models import OutboxEvent
from scheduler import invariants
from tests.factories import Person, a_request, bob, cy, queued, submit
from tests.races import at_once

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 50
# The job that a caller is given and whether it is a replay; or the refusal.
Answer = tuple[str, bool] | str


def _answer(act: Callable[[], submission.Accepted]) -> Answer:
    try:
        accepted = act()
    except (KeyReused, QuotaExceeded) as refusal:
        return refusal.code
    except IntegrityError as error:
        return type(error).__name__
    return str(accepted.job_id), accepted.is_replay


def _form(owner: Person, token: str, prompt: str) -> submission.Accepted:
    request = a_request(prompt)
    return submission.submit(request, owner_id=owner.id, claim=Claim.by_form(token, request))


def _accepted(answers: Sequence[Answer]) -> list[str]:
    return [answer[0] for answer in answers if isinstance(answer, tuple) and not answer[1]]


def _assert_one_job_a_round(rounds: list[list[Answer]], *, jobs_before: int = 0) -> None:
    for answers in rounds:
        (made,) = _accepted(answers)
        assert sorted(answers) == [(made, False), (made, True), (made, True)]
    _assert_jobs(len(rounds) + jobs_before)


def _assert_jobs(count: int) -> None:
    assert Job.objects.count() == count
    assert LedgerEntry.objects.filter(kind="reserve").count() == count
    assert OutboxEvent.objects.filter(name="job.submitted").count() == count
    assert invariants.violations(grace=3600) == []


def test_a_key_from_three_processes_at_once_is_one_job() -> None:
    owner = cy()

    def act(at: int, _number: int) -> Answer:
        return _answer(partial(submit, owner, key=f"key-{at}"))

    _assert_one_job_a_round(at_once.processes(3, rounds=ROUNDS, act=act))


def test_a_form_from_three_processes_at_once_is_one_job() -> None:
    owner = cy()

    def act(at: int, _number: int) -> Answer:
        return _answer(partial(_form, owner, f"form-{at}", f"whale {at}"))

    _assert_one_job_a_round(at_once.processes(3, rounds=ROUNDS, act=act))


def test_three_forms_with_the_same_content_at_once_are_one_job() -> None:
    owner = cy()

    def act(at: int, number: int) -> Answer:
        return _answer(partial(_form, owner, f"form-{at}-{number}", f"whale {at}"))

    _assert_one_job_a_round(at_once.processes(3, rounds=ROUNDS, act=act))
    # One token and one content a job: the other two tokens are still good for another prompt.
    assert IdempotencyKey.objects.count() == 2 * ROUNDS


def test_a_form_without_a_token_from_three_processes_at_once_is_one_job() -> None:
    owner = cy()

    def act(at: int, _number: int) -> Answer:
        return _answer(partial(_form, owner, "", f"whale {at}"))

    _assert_one_job_a_round(at_once.processes(3, rounds=ROUNDS, act=act))


@pytest.mark.parametrize("bodies", ["abc", "aab"])
def test_a_key_with_other_bodies_at_once_belongs_to_one_of_them(bodies: str) -> None:
    owner = cy()

    def act(at: int, number: int) -> Answer:
        return _answer(partial(submit, owner, bodies[number], key=f"key-{at}"))

    rounds = at_once.processes(3, rounds=ROUNDS, act=act)

    for answers in rounds:
        (made,) = _accepted(answers)
        winner = bodies[answers.index((made, False))]
        for body, answer in zip(bodies, answers, strict=True):
            if body == winner:
                assert answer in {(made, False), (made, True)}
            else:
                assert answer == KeyReused.code
        assert Job.objects.get(id=made).prompt == winner
    _assert_jobs(ROUNDS)


def test_a_retry_by_the_owner_three_times_at_once_is_one_new_job() -> None:
    owner = cy()
    ended: list[UUID] = []
    for _ in range(ROUNDS):
        job_id = queued(owner)
        transitions.cancel(job_id, owner_id=owner.id)
        ended.append(job_id)

    def act(at: int, _number: int) -> Answer:
        return _answer(partial(submission.retry, ended[at], owner_id=owner.id))

    _assert_one_job_a_round(at_once.processes(3, rounds=ROUNDS, act=act), jobs_before=ROUNDS)
    assert set(Job.objects.exclude(retry_of=None).values_list("retry_of", flat=True)) == set(ended)


def _fifty(owner: Person) -> dict[str, Answer]:
    keys = [f"key-{number}" for number in range(50)]
    acts = [partial(_answer, partial(submit, owner, key=key)) for key in keys]
    return dict(zip(keys, at_once.threads(acts), strict=True))


def _refused(answers: dict[str, Answer]) -> list[str]:
    return [key for key, answer in answers.items() if answer == QuotaExceeded.code]


def _assert_twenty(owner: Person, answers: dict[str, Answer]) -> None:
    account = Account.objects.get(owner_id=owner.id)
    assert len(_accepted(list(answers.values()))) == 20
    assert len(_refused(answers)) == 30
    assert IdempotencyKey.objects.count() == 20
    assert (account.live_count, account.held) == (20, 80)
    _assert_jobs(20)


def test_fifty_at_once_against_a_limit_of_twenty_are_twenty_and_burn_no_key() -> None:
    owner = bob()
    Tier.objects.filter(name="free").update(
        queued_limit=20, submissions_per_minute=None, jobs_per_day=None
    )

    answers = _fifty(owner)

    _assert_twenty(owner, answers)
    for job_id in _accepted(list(answers.values())):
        transitions.cancel(UUID(job_id), owner_id=owner.id)  # type: ignore[arg-type]
    again = [_answer(partial(submit, owner, key=key)) for key in _refused(answers)]
    assert len(_accepted(again)) == 20
    assert again[20:] == [QuotaExceeded.code] * 10


def _with_credits_for_twenty() -> Person:
    seeds.add_tiers()
    Tier.objects.filter(name="enterprise").update(monthly_credits=80)
    return cy()


def test_fifty_at_once_against_credits_for_twenty_are_twenty_and_burn_no_key() -> None:
    owner = _with_credits_for_twenty()

    answers = _fifty(owner)

    _assert_twenty(owner, answers)
    assert Account.objects.get(owner_id=owner.id).balance == 0
    ledger.grant(owner.id, amount=30 * 4, reason="A test", reference="1")
    again = [_answer(partial(submit, owner, key=key)) for key in _refused(answers)]
    assert len(_accepted(again)) == 30
    _assert_jobs(50)


# Whoever stands behind this lock has read the account, and decides on what was read before.
_ACCOUNT = "select 1 from account for update"


def _behind(acts: Sequence[Callable[[], submission.Accepted]]) -> list[Answer]:
    return at_once.behind(_ACCOUNT, [partial(_answer, act) for act in acts])


@pytest.fixture
def without_lock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let submissions of one owner read the account without taking turns."""
    lock = "for no key update of a/*patience*/"
    assert lock in submit_statement._ROOM
    monkeypatch.setattr(submit_statement, "_ROOM", submit_statement._ROOM.replace(lock, ""))
    # In one process those of an owner would still take turns.
    monkeypatch.setattr(entrance, "_may_go_together", lambda _: False)
    submit_statement.of_one.cache_clear()
    yield
    submit_statement.of_one.cache_clear()


@pytest.fixture
def without_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let submissions write neither a claim nor their job's key."""
    key = "%(key)s, %(retry_of)s"
    written, statement = submit_statement._WRITTEN, submit_statement.of_one.__wrapped__
    assert key in written
    monkeypatch.setattr(submit_statement, "_WRITTEN", written.replace(key, "null, null"))
    monkeypatch.setattr(entrance, "_may_go_together", lambda _: False)
    monkeypatch.setattr(
        submit_statement,
        "of_one",
        lambda **given: statement(**{**given, "has_key": False, "has_content": False}),
    )


def _six(owner: Person) -> list[Answer]:
    return _behind([partial(submit, owner, key=f"key-{number}") for number in range(6)])


def _limit(count: int) -> None:
    Tier.objects.filter(name="enterprise").update(queued_limit=count)


def test_who_waited_for_the_account_decides_on_its_limit_as_it_is_now() -> None:
    owner = cy()
    _limit(2)

    answers = _six(owner)

    assert len(_accepted(answers)) == 2
    assert answers.count(QuotaExceeded.code) == 4
    _assert_jobs(2)


@pytest.mark.usefixtures("without_lock")
def test_without_the_lock_a_limit_of_two_lets_six_in() -> None:
    owner = cy()
    _limit(2)

    assert len(_accepted(_six(owner))) == 6


@pytest.mark.usefixtures("without_lock")
def test_without_the_lock_only_the_database_keeps_the_credits_from_running_out_twice() -> None:
    owner = _with_credits_for_twenty()
    for _ in range(18):
        submit(owner)

    answers = _six(owner)

    assert len(_accepted(answers)) == 2
    assert answers.count("IntegrityError") == 4


def _key(owner: Person, _number: int) -> submission.Accepted:
    return submit(owner, key="key")


def _same_form(owner: Person, _number: int) -> submission.Accepted:
    return _form(owner, "form", "a whale")


def _other_form(owner: Person, number: int) -> submission.Accepted:
    return _form(owner, f"form-{number}", "a whale")


EQUAL = pytest.mark.parametrize("send", [_key, _same_form, _other_form])


@EQUAL
def test_who_waited_for_an_equal_request_is_given_its_job(
    send: Callable[[Person, int], submission.Accepted],
) -> None:
    owner = cy()

    answers = _behind([partial(send, owner, number) for number in range(3)])

    _assert_one_job_a_round([answers])


@EQUAL
@pytest.mark.usefixtures("without_claims")
def test_without_claims_three_equal_requests_are_three_jobs(
    send: Callable[[Person, int], submission.Accepted],
) -> None:
    owner = cy()

    answers = _behind([partial(send, owner, number) for number in range(3)])

    assert len(_accepted(answers)) == 3
    assert LedgerEntry.objects.filter(kind="reserve").count() == 3
