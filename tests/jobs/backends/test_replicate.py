"""The Replicate driver over TCP: happy ways, refusals, silence, lies and cancels."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from jobs.backends import hosted
from jobs.backends.backend import (
    BackendError,
    Cancellation,
    Failed,
    Finished,
    Gone,
    Order,
    StillRunning,
    StillWaiting,
    Unanswered,
)
from jobs.backends.replicate import ReplicateBackend, _percent
from jobs.failures import FailureKind
from tests.gpu import FakeGpu
from tests.jobs.backends.hosted_orders import QUICK, order_for, placed, until

DRIVER = ReplicateBackend()
SECRETIVE = {"api_key": "r8_secret", "speed": QUICK}


def order_of(gpu: FakeGpu, **more: Any) -> Order:
    return order_for(gpu.url, driver="replicate", **more)


def refused(order: Order) -> BackendError:
    with pytest.raises(BackendError) as refusal:
        DRIVER.submit(order)
    return refusal.value


def test_a_video_comes_with_the_time_at_which_its_address_expires() -> None:
    with FakeGpu(dialect="replicate", **SECRETIVE) as gpu:
        order = placed(DRIVER, order_of(gpu, site={"key": "r8_secret"}, callback_url="http://a/b"))
        seen = until(lambda: DRIVER.look(order), Finished)
        sent = gpu.wait_for("submitted", order.backend_job_id)

        assert isinstance(seen, Finished)
        assert gpu.ask("GET", seen.video.url)[0] == 200
        assert seen.video.expires_at is not None
        left = seen.video.expires_at - datetime.now(UTC)
        assert timedelta(minutes=59) < left <= timedelta(minutes=60)
        assert (sent["model"], sent["seconds"]) == ("fal-ai/wan", 4)
        assert (sent["webhook_url"], sent["webhook_events"]) == ("http://a/b", ["completed"])
        wanted = sent["fields"]["input"]
        assert (wanted["aspect_ratio"], wanted["resolution"]) == ("16:9", "720p")
        assert DRIVER.cancel(order) is Cancellation.ENDED
        assert DRIVER.health(order.site).slots is None


def test_a_waiting_one_waits_and_a_running_one_tells_its_progress() -> None:
    with FakeGpu(dialect="replicate", speed=0.05, fault={"hang": 1}) as gpu:
        first, second = placed(DRIVER, order_of(gpu)), placed(DRIVER, order_of(gpu))

        def has_moved() -> Any:
            seen = DRIVER.look(first)
            assert isinstance(seen, StillRunning)
            return seen if seen.percent else StillWaiting()

        moved = until(has_moved, StillRunning)

        assert isinstance(moved, StillRunning)
        assert moved.percent is not None
        assert 0 < moved.percent <= 40
        assert DRIVER.look(second) == StillWaiting()
        many = DRIVER.look_at_many([first, second, replace(first, backend_job_id="other")])
        assert set(many) == {first.backend_job_id, second.backend_job_id}
        assert many[second.backend_job_id] == StillWaiting()


def test_failures_say_whose_they_are() -> None:
    kinds = {
        "failure": FailureKind.BACKEND_ERROR,
        "failed_as_500": FailureKind.BACKEND_ERROR,
        "refused_content": FailureKind.CONTENT_POLICY,
        "no_result": FailureKind.BACKEND_ERROR,
        "success_then_failure": FailureKind.BACKEND_ERROR,
    }
    with FakeGpu(dialect="replicate", speed=QUICK) as gpu:
        for fault, kind in kinds.items():
            gpu.fault(fault)
            order = placed(DRIVER, order_of(gpu))
            seen = until(partial(DRIVER.look, order), Failed)
            gpu.fault(fault, 0)

            assert isinstance(seen, Failed)
            assert (fault, seen.kind) == (fault, kind)


# Each seed gives another address: a cloud's secrets, a file.
@pytest.mark.parametrize("seed", [2, 3])
def test_a_video_at_a_strange_address_is_a_failure(seed: int) -> None:
    fault = {"bad_result_url": 1}
    with FakeGpu(dialect="replicate", speed=QUICK, fault=fault, seed=seed) as gpu:
        order = placed(DRIVER, order_of(gpu))
        seen = until(lambda: DRIVER.look(order), Failed)

        assert isinstance(seen, Failed)
        assert seen.kind is FailureKind.BACKEND_ERROR
        assert gpu.journal("submitted")[0]["bad_url"][:30] in seen.detail


def test_a_refused_order_was_certainly_not_taken() -> None:
    with FakeGpu(dialect="replicate", speed=QUICK) as gpu:
        for fault, kind in {
            "reject_402": FailureKind.BACKEND_UNAVAILABLE,
            "reject_429": FailureKind.BACKEND_UNAVAILABLE,
            "reject_content": FailureKind.CONTENT_POLICY,
        }.items():
            gpu.fault(fault)
            assert refused(order_of(gpu)).kind is kind
            gpu.fault(fault, 0)
        invalid = refused(order_of(gpu, prompt=""))
        wrong = refused(order_of(gpu, site={"profile": "no such thing"}))

        assert invalid.kind is FailureKind.INVALID_REQUEST
        assert invalid.message == (
            "The model refused this request: Missing required parameter: 'prompt'."
        )
        assert wrong.kind is FailureKind.BACKEND_ERROR
        assert gpu.journal("submitted") == []


@pytest.mark.parametrize(
    ("profile", "model", "told"),
    [
        ("predictions", "owner/name", "owner/name"),
        ("deployments", "owner/name", "owner/name"),
        ("models", "0123456789abcdef" * 4, "0123456789abcdef" * 4),
        ("", "owner/name:" + "0123456789abcdef" * 4, "0123456789abcdef" * 4),
    ],
)
def test_a_model_is_a_name_or_a_version(profile: str, model: str, told: str) -> None:
    with FakeGpu(dialect="replicate", speed=QUICK) as gpu:
        DRIVER.submit(order_of(gpu, model=model, site={"profile": profile}))

        assert gpu.wait_for("submitted")["model"] == told


def test_an_order_is_found_on_a_later_page() -> None:
    with FakeGpu(dialect="replicate", slots=1) as gpu:
        order = placed(DRIVER, order_of(gpu))
        given = {"version": "v", "input": {"prompt": "Another"}}
        for _ in range(100):
            gpu.ask("POST", "/v1/predictions", given)

        (found,) = DRIVER.candidates(order)

        assert found.backend_job_id == order.backend_job_id


def test_twins_that_nothing_tells_apart_are_not_guessed() -> None:
    with FakeGpu(dialect="replicate") as gpu:
        order = placed(DRIVER, order_of(gpu, seed=7))
        placed(DRIVER, order_of(gpu, seed=7))

        with pytest.raises(BackendError, match="More than one"):
            DRIVER.candidates(order)
        # What is much older or newer cannot be this one's.
        for hours in (-1, 1):
            other = datetime.now(UTC) + timedelta(hours=hours)
            assert DRIVER.candidates(replace(order, submitted_at=other)) == ()


def test_a_look_believes_only_whole_answers() -> None:
    with FakeGpu(dialect="replicate", speed=QUICK) as gpu:
        order = placed(DRIVER, order_of(gpu))
        for fault in ("garbage_on_poll", "huge_on_poll", "drop_on_poll", "error_500_on_poll"):
            gpu.fault(fault)
            with pytest.raises(BackendError) as error:
                DRIVER.look(order)
            assert error.value.kind is FailureKind.BACKEND_UNAVAILABLE
            gpu.fault(fault, 0)
        gpu.fault("wrong_content_type_on_poll")
        assert isinstance(until(lambda: DRIVER.look(order), Finished), Finished)
        gpu.fault("forget_on_poll")
        with pytest.raises(BackendError, match="and lists it"):
            DRIVER.look(order)
        gpu.fault("forget_on_poll", 0)
        assert DRIVER.look(replace(order, backend_job_id="nobody")) == Gone()
        gpu.stop()
        assert refused(order).kind is FailureKind.BACKEND_UNAVAILABLE
        with pytest.raises(BackendError):
            DRIVER.cancel(order)


def test_progress_is_that_of_the_last_bar() -> None:
    bars = " 20%|##   | 10/50 [00:01]\r 40%|####  | 20/50 [00:02]\nwriting the file\n"

    assert (_percent(bars), _percent("100% sure"), _percent(None)) == (40, None, None)


@pytest.mark.parametrize(
    ("output", "url"),
    [
        (["https://gpu.test/a.png", "https://gpu.test/b.mp4"], "https://gpu.test/b.mp4"),
        ({"video": {"url": "https://gpu.test/c"}}, "https://gpu.test/c"),
    ],
)
def test_an_output_may_be_a_list_or_an_object(output: Any, url: str) -> None:
    found = hosted.finished(output, order_for("https://gpu.test", driver="replicate").site)

    assert isinstance(found, Finished)
    assert found.video.url == url


def test_a_pool_may_call_fields_by_other_names_and_leave_some_out() -> None:
    names = {"duration": "seconds", "resolution": "", "size": "frame_size", "seed": "noise"}
    with FakeGpu(dialect="replicate", speed=QUICK) as gpu:
        order = order_of(gpu, site={"field_map": names})
        gpu.fault("drop_after_accept")
        with pytest.raises(Unanswered):
            DRIVER.submit(order)
        fields = gpu.wait_for("submitted")["fields"]["input"]

        # It is found by what was really sent.
        assert len(DRIVER.candidates(order)) == 1
        assert set(fields) == {"prompt", "seconds", "aspect_ratio", "frame_size", "noise"}
        assert (fields["seconds"], fields["frame_size"]) == (4, "1280x720")
