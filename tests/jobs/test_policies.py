"""Retry and price: pure decisions."""

import pytest

from jobs import credit_policy, retry_policy, states
from jobs.failures import FailureKind, Fault
from jobs.retry_policy import GiveUp, RetryAfter
from jobs.states import JobState


@pytest.mark.parametrize(
    "failure", [FailureKind.INVALID_REQUEST, FailureKind.CONTENT_POLICY], ids=str
)
def test_what_only_its_author_can_change_is_not_tried_again(failure: FailureKind) -> None:
    assert (
        retry_policy.after(failure, attempt=1, failed_count=1, max_attempts=3, jitter=0.5)
        == GiveUp()
    )


def test_a_poison_job_ends_after_its_attempts() -> None:
    decisions = [
        retry_policy.after(
            FailureKind.WORKER_LOST, attempt=1, failed_count=count, max_attempts=3, jitter=0.999
        )
        for count in (1, 2, 3)
    ]

    assert [type(decision) for decision in decisions] == [RetryAfter, RetryAfter, GiveUp]


def test_a_delay_grows_and_stays_below_a_minute() -> None:
    delays = []
    for count in range(1, 12):
        decision = retry_policy.after(
            FailureKind.BACKEND_ERROR, attempt=1, failed_count=count, max_attempts=99, jitter=0.999
        )
        assert isinstance(decision, RetryAfter)
        delays.append(decision.seconds)

    assert delays == sorted(delays)
    assert delays[-1] <= retry_policy.LONGEST_DELAY


def test_a_worker_that_was_stopped_costs_no_attempt() -> None:
    decision = retry_policy.after(
        FailureKind.WORKER_STOPPED, attempt=1, failed_count=3, max_attempts=3, jitter=0.5
    )

    assert decision == RetryAfter(seconds=0.0)


def test_every_failure_is_told_in_words() -> None:
    assert all(kind.sentence.endswith(".") for kind in FailureKind)


def test_every_failure_is_somebody_s_fault() -> None:
    assert {kind.fault for kind in FailureKind} == set(Fault)
    assert not any(
        kind.is_retryable
        for kind in FailureKind
        if kind.fault in {Fault.OWNER, Fault.CONTENT_POLICY}
    )


def test_what_an_end_costs() -> None:
    charged = {
        state: credit_policy.charge(state, reserved=7, cancel_fee=3) for state in states.TERMINAL
    }

    assert charged == {
        JobState.SUCCEEDED: 7,
        JobState.CANCELED: 3,
        JobState.FAILED: 0,
        JobState.EXPIRED: 0,
    }
    assert credit_policy.charge(JobState.CANCELED, reserved=2, cancel_fee=3) == 2


@pytest.mark.parametrize(
    ("state", "reserved", "fee"),
    [
        (JobState.QUEUED, 24, 0),
        (JobState.DISPATCHED, 24, 0),
        (JobState.RUNNING, 24, 10),
        (JobState.RUNNING, 1, 0),
        (JobState.RUNNING, 0, 0),
    ],
)
def test_a_cancel_costs_a_share_only_once_a_gpu_works_on_it(
    state: JobState, reserved: int, fee: int
) -> None:
    assert credit_policy.cancel_fee(state, reserved=reserved) == fee


def _retries(count: int, *, slots: int, apart: float) -> list[float]:
    tokens, waits = retry_policy.full_budget(slots=slots), []
    for _ in range(count):
        tokens, wait = retry_policy.spend(tokens=tokens, idle_seconds=apart, slots=slots)
        waits.append(wait)
    return waits


def test_a_pool_may_lose_all_its_slots_once_without_a_wait() -> None:
    assert _retries(100, slots=100, apart=0) == [0.0] * 100


def test_retries_beyond_the_budget_come_later_one_after_the_other() -> None:
    waits = _retries(10, slots=1, apart=0)

    # Five at once, then one a minute, and none waits beyond five minutes.
    assert waits == pytest.approx([0, 0, 0, 0, 0, 60, 120, 180, 240, 300])
    assert max(_retries(50, slots=1, apart=0)) == pytest.approx(300)


def test_a_budget_comes_back_and_never_grows_beyond_full() -> None:
    assert _retries(40, slots=10, apart=60) == [0.0] * 40
    left, _ = retry_policy.spend(tokens=0, idle_seconds=1e6, slots=10)
    assert left == retry_policy.full_budget(slots=10) - 1


@pytest.mark.parametrize(
    ("size", "price"), [((854, 480), 4), ((1280, 720), 8), ((1920, 1080), 16), ((4096, 2160), 32)]
)
def test_larger_frames_cost_more(size: tuple[int, int], price: int) -> None:
    width, height = size

    assert credit_policy.price(seconds=4, width=width, height=height, credits_per_second=1) == price


def test_an_attempt_that_nobody_took_comes_back_at_once_and_then_less_and_less_soon() -> None:
    delays = [
        retry_policy.after(
            FailureKind.NOT_PICKED_UP, attempt=attempt, failed_count=0, max_attempts=3, jitter=0.5
        )
        for attempt in (1, 2, 3, 40)
    ]

    assert delays == [retry_policy.RetryAfter(seconds=seconds) for seconds in (0, 2, 6, 60)]
