"""Retry and price: pure decisions."""

import pytest

from jobs import credit_policy, retry_policy
from jobs.failures import FailureKind
from jobs.retry_policy import GiveUp, RetryAfter
from jobs.states import JobState


@pytest.mark.parametrize(
    "failure", [FailureKind.INVALID_REQUEST, FailureKind.CONTENT_POLICY], ids=str
)
def test_what_only_its_author_can_change_is_not_tried_again(failure: FailureKind) -> None:
    assert retry_policy.after(failure, failed_count=1, max_attempts=3, jitter=0.5) == GiveUp()


def test_a_poison_job_ends_after_its_attempts() -> None:
    decisions = [
        retry_policy.after(
            FailureKind.WORKER_LOST, failed_count=count, max_attempts=3, jitter=0.999
        )
        for count in (1, 2, 3)
    ]

    assert [type(decision) for decision in decisions] == [RetryAfter, RetryAfter, GiveUp]


def test_a_delay_grows_and_stays_below_a_minute() -> None:
    delays = []
    for count in range(1, 12):
        decision = retry_policy.after(
            FailureKind.BACKEND_ERROR, failed_count=count, max_attempts=99, jitter=0.999
        )
        assert isinstance(decision, RetryAfter)
        delays.append(decision.seconds)

    assert delays == sorted(delays)
    assert delays[-1] <= retry_policy.LONGEST_DELAY


def test_a_worker_that_was_stopped_costs_no_attempt() -> None:
    decision = retry_policy.after(
        FailureKind.WORKER_STOPPED, failed_count=3, max_attempts=3, jitter=0.5
    )

    assert decision == RetryAfter(seconds=0.0)


def test_every_failure_is_told_in_words() -> None:
    assert all(kind.sentence.endswith(".") for kind in FailureKind)


def test_only_a_finished_video_is_charged() -> None:
    charged = {state: credit_policy.charge(state, reserved=7) for state in JobState}

    assert charged.pop(JobState.SUCCEEDED) == 7
    assert set(charged.values()) == {0}


@pytest.mark.parametrize(
    ("size", "price"), [((854, 480), 4), ((1280, 720), 8), ((1920, 1080), 16), ((4096, 2160), 32)]
)
def test_larger_frames_cost_more(size: tuple[int, int], price: int) -> None:
    width, height = size

    assert credit_policy.price(seconds=4, width=width, height=height, credits_per_second=1) == price
