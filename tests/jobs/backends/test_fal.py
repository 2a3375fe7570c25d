"""The fal driver over TCP: its addresses, a COMPLETED that means failed, refusals, silence, cancels."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from jobs.backends.backend import (
    BackendError,
    Cancellation,
    Failed,
    Finished,
    Gone,
    Order,
)
from jobs.backends.fal import FalBackend, _handle
from jobs.failures import FailureKind
from tests.gpu import FakeGpu
from tests.jobs.backends.hosted_orders import QUICK, order_for, placed, until

DRIVER = FalBackend()
APP = "fal-ai/wan/v2.2/text-to-video"


def order_of(gpu: FakeGpu, **more: Any) -> Order:
    return order_for(gpu.url, driver="fal", **{"model": APP, **more})


def refused(order: Order) -> BackendError:
    with pytest.raises(BackendError) as refusal:
        DRIVER.submit(order)
    return refusal.value


def test_a_video_comes_by_the_addresses_that_the_server_gave() -> None:
    callback = "http://a.test/hook?token=1&x=2"
    with FakeGpu(dialect="fal", speed=QUICK, api_key="key") as gpu:
        order = placed(DRIVER, order_of(gpu, seed=3, site={"key": "key"}, callback_url=callback))
        seen = until(lambda: DRIVER.look(order), Finished)
        sent = gpu.wait_for("submitted", order.backend_job_id)

        assert isinstance(seen, Finished)
        assert gpu.ask("GET", seen.video.url)[0] == 200
        assert seen.video.expires_at is None
        assert set(order.handle) == {"status_url", "response_url", "cancel_url"}
        assert (sent["model"], sent["seconds"], sent["fields"]["seed"]) == ("fal-ai/wan", 4, 3)
        assert sent["webhook_url"] == callback
        # Without the handle the addresses are built.
        assert isinstance(DRIVER.look(replace(order, handle={})), Finished)
        assert DRIVER.cancel(order) is Cancellation.ENDED
        assert DRIVER.health(order.site).models == ()
        assert DRIVER.look_at_many([order]) == {}


def test_an_address_elsewhere_never_sees_the_key() -> None:
    site = order_for("https://queue.test", driver="fal").site
    given = {
        "status_url": "https://queue.test.evil.test/1",
        "response_url": "https://queue.test@evil.test/1",
        "cancel_url": "https://queue.test/a/b/requests/1/cancel",
    }

    assert set(_handle(given, site)) == {"cancel_url"}


def test_a_handle_of_another_server_is_not_followed() -> None:
    with FakeGpu(dialect="fal", fault={"hang": 1}) as gpu, FakeGpu(dialect="fal") as other:
        order = placed(DRIVER, order_of(gpu))
        moved = replace(order, site=replace(order.site, url=other.url))

        assert DRIVER.look(moved) == Gone()


def test_a_cancel_frees_the_gpu_whether_it_works_or_waits() -> None:
    with FakeGpu(dialect="fal", fault={"hang": 1}) as gpu:
        running, waiting = placed(DRIVER, order_of(gpu)), placed(DRIVER, order_of(gpu))

        assert DRIVER.cancel(waiting) is Cancellation.STOPPED
        assert DRIVER.cancel(running) is Cancellation.STOPPED
        assert DRIVER.cancel(running) is Cancellation.ENDED
        unknown = replace(running, backend_job_id="nobody", handle={})
        assert DRIVER.cancel(unknown) is Cancellation.UNKNOWN

        assert {one["id"] for one in gpu.journal("canceled") if one["frees"]} == {
            running.backend_job_id,
            waiting.backend_job_id,
        }
        seen = DRIVER.look(running)
        assert isinstance(seen, Failed)
        assert seen.message == "The generation server canceled it."


def test_completed_may_mean_failed() -> None:
    kinds = {
        "failure": FailureKind.BACKEND_ERROR,
        "failed_as_500": FailureKind.BACKEND_ERROR,
        "refused_content": FailureKind.CONTENT_POLICY,
        "no_result": FailureKind.BACKEND_ERROR,
        "bad_result_url": FailureKind.BACKEND_ERROR,
    }
    with FakeGpu(dialect="fal", speed=QUICK) as gpu:
        for fault, kind in kinds.items():
            gpu.fault(fault)
            order = placed(DRIVER, order_of(gpu))
            seen = until(partial(DRIVER.look, order), Failed)
            gpu.fault(fault, 0)

            assert isinstance(seen, Failed)
            assert (fault, seen.kind) == (fault, kind)


def test_a_refused_order_was_certainly_not_taken() -> None:
    with FakeGpu(dialect="fal", speed=QUICK, api_key="key") as gpu:
        site = {"key": "key"}
        for fault, kind in {
            "reject_402": FailureKind.BACKEND_UNAVAILABLE,
            "reject_429": FailureKind.BACKEND_UNAVAILABLE,
            "reject_content": FailureKind.CONTENT_POLICY,
        }.items():
            gpu.fault(fault)
            assert refused(order_of(gpu, site=site)).kind is kind
            gpu.fault(fault, 0)
        invalid = refused(order_of(gpu, site=site, prompt=""))
        stranger = order_of(gpu, site={"key": "other"})

        assert invalid.kind is FailureKind.INVALID_REQUEST
        assert invalid.message == (
            "The model refused this request: prompt: Missing required parameter: 'prompt'."
        )
        assert refused(stranger).detail == "It refuses our key (HTTP 401)"
        with pytest.raises(BackendError, match="refuses our key"):
            DRIVER.health(stranger.site)
        for model in ("alone", "fal-ai/../secrets", "fal-ai/wan?x=1"):
            assert refused(order_of(gpu, model=model)).kind is FailureKind.BACKEND_ERROR
        assert gpu.journal("submitted") == []


def test_a_look_believes_only_whole_answers() -> None:
    with FakeGpu(dialect="fal", speed=QUICK) as gpu:
        order = placed(DRIVER, order_of(gpu))
        until(lambda: DRIVER.look(order), Finished)
        for fault in (
            *("garbage_on_poll", "huge_on_poll", "drop_on_poll", "error_500_on_poll"),
            *("garbage_on_content", "huge_on_content"),
        ):
            gpu.fault(fault)
            with pytest.raises(BackendError) as error:
                DRIVER.look(order)
            assert (fault, error.value.kind) == (fault, FailureKind.BACKEND_UNAVAILABLE)
            gpu.fault(fault, 0)
        gpu.fault("forget_on_poll")
        with pytest.raises(BackendError, match="and answers for it"):
            DRIVER.look(order)
        gpu.fault("forget_on_poll", 0)
        assert DRIVER.look(replace(order, backend_job_id="nobody", handle={})) == Gone()
        gpu.stop()
        assert refused(order).kind is FailureKind.BACKEND_UNAVAILABLE
        with pytest.raises(BackendError):
            DRIVER.health(order.site)
