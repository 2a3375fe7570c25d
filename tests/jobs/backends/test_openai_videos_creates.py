"""Creates that are refused, and creates of which nobody knows whether they were taken."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobs.backends.backend import BackendError, Order, Submitted, Unanswered
from jobs.backends.http import NoAnswer
from jobs.failures import FailureKind
from tests.gpu import FakeGpu
from tests.jobs.backends.video_servers import (
    DRIVER,
    HASTY,
    Servers,
    order,
    sent,
    struck,
)

TAKEN = (
    "mute_on_submit",
    "garbage_on_submit",
    "huge_on_submit",
    "drip_on_submit",
    "drop_after_accept",
    "error_500_after_accept",
)


@pytest.mark.parametrize("fault", TAKEN)
def test_a_create_without_an_answer_is_found(gpu: FakeGpu, profile: str, fault: str) -> None:
    with struck(gpu, "hang"):
        sent(order(gpu, profile))
        wanted = order(gpu, profile)
        with struck(gpu, fault), pytest.raises(Unanswered):
            HASTY.submit(wanted)
        sent(order(gpu, profile))

    (taken,) = [
        one["id"] for one in gpu.journal("submitted") if one["token"] == f"{wanted.job_id}-1"
    ]
    if profile == "generic":
        # Its jobs do not show their prompts: any of them may be another owner's.
        with pytest.raises(BackendError, match="cannot tell"):
            DRIVER.find(wanted)
        return
    assert DRIVER.find(wanted) == Submitted(backend_job_id=taken)
    gpu.release()


def test_a_create_that_was_not_taken_is_not_found(gpu: FakeGpu, profile: str) -> None:
    wanted = order(gpu, profile)
    with struck(gpu, "error_500_on_submit"), pytest.raises(Unanswered):
        DRIVER.submit(wanted)

    assert DRIVER.find(wanted) is None
    assert DRIVER.find(replace(wanted, submitted_at=None)) is None


def test_a_list_that_is_silent_finds_nothing_and_denies_nothing(gpu: FakeGpu, profile: str) -> None:
    wanted = order(gpu, profile)
    nobody = replace(wanted, site=replace(wanted.site, url="http://127.0.0.1:1"))

    for ask in (DRIVER.find, lambda one: DRIVER.look_at_many([one])):
        with pytest.raises(BackendError) as unanswered:
            ask(nobody)
        assert unanswered.value.kind is FailureKind.BACKEND_UNAVAILABLE
        assert isinstance(unanswered.value.__cause__, NoAnswer)


def test_the_one_nearest_to_its_create_is_offered_first(servers: Servers) -> None:
    gpu = servers.get("vllm_omni")
    first = sent(order(gpu, "vllm_omni", prompt="The same harbour"))
    second = sent(order(gpu, "vllm_omni", prompt="The same harbour"))
    now = datetime.now(UTC)

    both = {one.backend_job_id for one in DRIVER.candidates(first)}
    later = replace(first, submitted_at=now + timedelta(seconds=30))

    assert both == {first.backend_job_id, second.backend_job_id}
    assert DRIVER.candidates(later) == ()
    assert DRIVER.candidates(replace(first, model="another")) != ()
    assert DRIVER.candidates(replace(first, width=720, height=1280)) == ()


def test_a_long_list_is_read_page_by_page(servers: Servers) -> None:
    gpu = servers.get("sglang")
    wanted = sent(order(gpu, "sglang"))
    for _ in range(101):
        sent(order(gpu, "sglang"))

    assert DRIVER.find(wanted) == Submitted(backend_job_id=wanted.backend_job_id)


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ("reject_402", FailureKind.BACKEND_UNAVAILABLE, "Insufficient credit"),
        ("reject_429", FailureKind.BACKEND_UNAVAILABLE, "Retry-After: 2"),
        ("reject_content", FailureKind.CONTENT_POLICY, "content filter"),
    ],
)
def test_a_refused_create_says_whose_affair_it_is(
    gpu: FakeGpu, profile: str, fault: str, kind: FailureKind, said: str
) -> None:
    with struck(gpu, fault), pytest.raises(BackendError) as refused:
        DRIVER.submit(order(gpu, profile))

    assert refused.value.kind is kind
    assert said in refused.value.detail


@pytest.mark.parametrize(
    "change",
    [
        lambda one: replace(one, prompt=""),
        # Refused here for those that make few lengths and sizes, by the others there.
        lambda one: replace(one, seconds=0, width=1),
    ],
)
def test_an_impossible_request_is_its_authors(
    gpu: FakeGpu, dialect: str, profile: str, change: Callable[[Order], Order]
) -> None:
    wanted = change(order(gpu, profile))
    # It breaks on any wrong field, and says nothing.
    is_mute = dialect == "aquiles" and not wanted.prompt

    with pytest.raises(Unanswered if is_mute else BackendError) as refused:
        DRIVER.submit(wanted)

    if isinstance(refused.value, BackendError):
        assert refused.value.kind is FailureKind.INVALID_REQUEST
        assert 0 < len(refused.value.message) <= 200
