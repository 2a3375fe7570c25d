"""Creates that are refused, and creates of which nobody knows whether they were taken."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobs.backends.backend import BackendError, Order, Unanswered
from jobs.failures import FailureKind
from tests.gpu import FakeGpu
from tests.jobs.backends.video_servers import (
    DRIVER,
    Servers,
    order,
    sent,
)


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
    assert DRIVER.candidates(replace(first, seconds=8)) == ()


def test_a_long_list_is_read_page_by_page(servers: Servers) -> None:
    gpu = servers.get("sglang")
    wanted = sent(order(gpu, "sglang"))
    for _ in range(101):
        sent(order(gpu, "sglang"))

    assert [one.backend_job_id for one in DRIVER.candidates(wanted)] == [wanted.backend_job_id]


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
        # What the pool should not have offered is tried elsewhere.
        is_offer = "Not sent" in refused.value.detail
        kind = FailureKind.BACKEND_ERROR if is_offer else FailureKind.INVALID_REQUEST
        assert refused.value.kind is kind
        assert 0 < len(refused.value.message) <= 200
