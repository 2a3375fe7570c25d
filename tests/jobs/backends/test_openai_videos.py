"""Every dialect of /v1/videos over TCP, each with its profile: what it says, and what it really does."""

import io
import time
from dataclasses import replace

import av
import httpx
import pytest

from jobs.backends import registry
from jobs.backends.backend import (
    BackendError,
    Cancellation,
    Failed,
    Finished,
    Gone,
    StillRunning,
    StillWaiting,
)
from jobs.backends.openai_videos.driver import OpenAIVideosBackend
from jobs.failures import FailureKind
from tests.gpu import FakeGpu
from tests.jobs.backends.video_servers import (
    DRIVER,
    HASTY,
    KEY,
    Servers,
    finished,
    order,
    runs_on,
    sent,
    struck,
    until_ended,
)

# These show a waiting job and a running one with the same word.
MUTE_ABOUT_QUEUES = {"vllm_omni", "trtllm_visualgen"}
# What a cancel does to the GPU: for a waiting job, and for a running one.
STOPS = {
    "openai": (False, False),
    "vllm_omni": (True, True),
    "sglang": (False, False),
    "aquiles": (True, False),
    "trtllm_visualgen": (False, False),
}


def test_the_driver_has_a_name() -> None:
    assert isinstance(registry.backend("openai_videos"), OpenAIVideosBackend)


def test_a_video_is_ordered_followed_and_fetched(
    gpu: FakeGpu, dialect: str, profile: str, caplog: pytest.LogCaptureFixture
) -> None:
    with struck(gpu, "hang"):
        first, second = (sent(order(gpu, profile)) for _ in range(2))
        running, waiting = DRIVER.look(first), DRIVER.look(second)

    gpu.release()
    found = finished(first)
    content = DRIVER.content(first)
    answer = httpx.get(content.url, headers=dict(content.headers), trust_env=False)

    assert isinstance(running, StillRunning)
    assert isinstance(waiting, StillRunning if dialect in MUTE_ABOUT_QUEUES else StillWaiting)
    assert "unknown status" not in caplog.text
    assert found.video.is_content
    assert answer.status_code == 200
    with av.open(io.BytesIO(answer.content), "r") as container:
        assert len(list(container.decode(video=0))) == 48


def test_a_create_carries_what_the_server_knows_and_our_mark(
    gpu: FakeGpu, dialect: str, profile: str
) -> None:
    wanted = sent(order(gpu, profile))

    told = gpu.wait_for("submitted", wanted.backend_job_id)
    fields = told["fields"]
    model = fields.pop("model", None)

    assert told["token"] == f"{wanted.job_id}-1"
    assert told["seconds"] == 4
    with_seed = {"seed": "7"} if dialect in {"vllm_omni", "sglang", "trtllm_visualgen"} else {}
    assert fields == {"prompt": wanted.prompt, "seconds": "4", "size": "1280x720", **with_seed}
    expected = {"vllm_omni": None, "sglang": f"sora-2#{wanted.job_id.hex}-1"}
    assert model == expected.get(dialect, "sora-2")


@pytest.mark.parametrize(
    "fault", ["progress_falls", "null_progress", "no_progress", "faked_progress", "slow"]
)
def test_progress_is_a_percentage_or_nothing(gpu: FakeGpu, profile: str, fault: str) -> None:
    with struck(gpu, fault):
        finished(sent(order(gpu, profile)))


@pytest.mark.parametrize("is_running", [False, True], ids=["waiting", "running"])
def test_a_cancel_says_what_happened_to_the_gpu(
    gpu: FakeGpu, dialect: str, profile: str, *, is_running: bool
) -> None:
    with struck(gpu, "hang"):
        first, second = (sent(order(gpu, profile)) for _ in range(2))
        wanted = first if is_running else second
        answer = DRIVER.cancel(wanted)

    confirmed = gpu.journal("canceled", wanted.backend_job_id)
    frees = any(one["frees"] for one in confirmed)
    if dialect == "rough":
        # Nobody has described it: better to wait for a GPU that is free than to use one that is not.
        assert answer is Cancellation.GOES_ON
        return
    assert frees is STOPS[dialect][is_running]
    assert answer is (Cancellation.STOPPED if frees else Cancellation.GOES_ON)
    if not frees:
        runs_on(gpu, wanted)


def test_a_cancel_that_the_server_only_pretends_is_seen(gpu: FakeGpu, profile: str) -> None:
    with struck(gpu, "hang", "cancel_ignored"):
        wanted = sent(order(gpu, profile))

        assert DRIVER.cancel(wanted) is Cancellation.GOES_ON


def test_a_cancel_refused_for_now_is_asked_again(gpu: FakeGpu, dialect: str, profile: str) -> None:
    with struck(gpu, "hang", "delete_conflict"):
        wanted = sent(order(gpu, profile))
        if dialect == "openai":
            # There it is refused for ever.
            assert DRIVER.cancel(wanted) is Cancellation.GOES_ON
            return
        with pytest.raises(BackendError) as refused:
            DRIVER.cancel(wanted)

    assert refused.value.kind is FailureKind.BACKEND_UNAVAILABLE


def test_a_cancel_that_comes_too_late_destroys_nothing(gpu: FakeGpu, profile: str) -> None:
    wanted = sent(order(gpu, profile))
    finished(wanted)

    assert DRIVER.cancel(wanted) is Cancellation.ENDED
    finished(wanted)
    assert DRIVER.cancel(replace(wanted, backend_job_id="123456789")) is Cancellation.UNKNOWN


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("failure", FailureKind.BACKEND_ERROR),
        ("failed_as_500", FailureKind.BACKEND_ERROR),
        ("refused_content", FailureKind.CONTENT_POLICY),
    ],
)
def test_a_failed_job_says_why(gpu: FakeGpu, profile: str, fault: str, kind: FailureKind) -> None:
    with struck(gpu, fault):
        wanted = sent(order(gpu, profile))

    found = until_ended(wanted)

    assert isinstance(found, Failed)
    assert found.kind is kind
    by_kind = {
        FailureKind.BACKEND_ERROR: kind.sentence,
        # The server's own words, where the owner can use them.
        FailureKind.CONTENT_POLICY: "The request was refused by the content filter.",
    }
    assert found.message == by_kind[kind]
    assert "CUDA out of memory." in found.detail or kind is FailureKind.CONTENT_POLICY


@pytest.mark.parametrize("fault", ["mute", "garbage", "huge", "drip", "error_500", "drop"])
def test_a_question_without_a_usable_answer_ends_soon(
    gpu: FakeGpu, profile: str, fault: str
) -> None:
    wanted = sent(order(gpu, profile))
    began = time.monotonic()
    with struck(gpu, f"{fault}_on_poll"), pytest.raises(BackendError) as unanswered:
        HASTY.look(wanted)

    assert unanswered.value.kind is FailureKind.BACKEND_UNAVAILABLE
    assert time.monotonic() - began < 3
    finished(wanted)


def test_what_an_answer_calls_itself_does_not_matter(gpu: FakeGpu, profile: str) -> None:
    with struck(gpu, "wrong_content_type"):
        finished(sent(order(gpu, profile)))


def test_a_restart_loses_what_its_server_loses(gpu: FakeGpu, dialect: str, profile: str) -> None:
    with struck(gpu, "hang"):
        wanted = sent(order(gpu, profile))
    gpu.restart()

    assert isinstance(DRIVER.look(wanted), StillRunning if dialect == "openai" else Gone)


def test_a_word_that_nobody_knows_means_work_goes_on(
    gpu: FakeGpu, dialect: str, profile: str, caplog: pytest.LogCaptureFixture
) -> None:
    with struck(gpu, "hang", "unknown_status"):
        wanted = sent(order(gpu, profile))

        assert isinstance(DRIVER.look(wanted), StillRunning)

    assert "unknown status 'postprocessing'" in caplog.text
    gpu.release()
    finished(wanted)


def test_several_are_asked_about_at_once(gpu: FakeGpu, profile: str) -> None:
    with struck(gpu, "failure"):
        failed = sent(order(gpu, profile))
    done = sent(order(gpu, profile))
    finished(done)
    until_ended(failed)
    with struck(gpu, "hang"):
        running = sent(order(gpu, profile))
    lost = order(gpu, profile, backend_job_id="123456789")
    before = _questions(gpu)

    found = DRIVER.look_at_many([done, failed, running, lost])

    assert set(found) == {one.backend_job_id for one in (done, failed, running)}
    assert isinstance(found[done.backend_job_id], Finished)
    assert isinstance(found[failed.backend_job_id], Failed)
    assert isinstance(found[running.backend_job_id], StillRunning)
    assert _questions(gpu) == before + 1
    assert DRIVER.look_at_many([]) == {}


def _questions(gpu: FakeGpu) -> int:
    return sum(one["total"] for one in gpu.state()["requests"].values())


def test_health_names_the_models(gpu: FakeGpu, dialect: str, profile: str) -> None:
    named = {
        "openai": ("sora-2", "sora-2-pro"),
        "vllm_omni": ("wan-as-served",),
        "sglang": ("Wan-AI/Wan2.1-T2V-1.3B-Diffusers",),
        "aquiles": ("wan2.2",),
        "trtllm_visualgen": ("visual-gen",),
        "rough": (),
    }
    wanted = order(gpu, profile)

    assert DRIVER.health(wanted.site).models == named[dialect]
    based = replace(wanted.site, url=f"{gpu.url}/v1/")
    assert DRIVER.health(based).models == named[dialect]
    assert DRIVER.content(replace(wanted, site=based, backend_job_id="a/b")).url == (
        f"{gpu.url}/v1/videos/a%2Fb/content"
    )
    if dialect not in {"openai", "rough"}:
        with struck(gpu, "unhealthy"), pytest.raises(BackendError, match="The engine is dead"):
            DRIVER.health(wanted.site)


def test_a_refused_key_is_the_operators_affair(gpu: FakeGpu, profile: str) -> None:
    wanted = order(gpu, profile, backend_job_id="1")
    wrong = replace(wanted, site=replace(wanted.site, key="sk-wrong"))

    for ask in (DRIVER.submit, DRIVER.look, DRIVER.cancel, lambda one: DRIVER.health(one.site)):
        with pytest.raises(BackendError) as refused:
            ask(wrong)
        assert refused.value.kind is FailureKind.BACKEND_ERROR
        assert "the key was refused" in refused.value.detail
        assert "key" not in refused.value.message
    assert KEY not in repr(wanted)


def test_nothing_goes_round_the_server_of_results(servers: Servers) -> None:
    gpu = servers.get("sglang")
    with struck(gpu, "bad_result_url"):
        wanted = sent(order(gpu, "sglang"))
    gpu.wait_for("finished", wanted.backend_job_id)

    found = DRIVER.look(wanted)

    assert isinstance(found, Failed)
    assert found.kind is FailureKind.BACKEND_ERROR
    assert "address that is not allowed" in found.detail


def test_a_result_may_have_an_address_of_its_own(servers: Servers) -> None:
    gpu = servers.get("sglang")
    with struck(gpu, "result_by_url"):
        wanted = sent(order(gpu, "sglang"))

    video = finished(wanted).video

    assert video.url.startswith(gpu.url)
    assert not video.is_content
    assert httpx.get(video.url, trust_env=False).status_code == 200


def test_a_dead_server_is_unavailable(servers: Servers) -> None:
    wanted = order(servers.get("openai"), "openai", backend_job_id="1")
    nobody = replace(wanted, site=replace(wanted.site, url="http://127.0.0.1:1"))

    for ask in (DRIVER.submit, DRIVER.look, DRIVER.cancel, lambda one: DRIVER.health(one.site)):
        with pytest.raises(BackendError) as refused:
            ask(nobody)
        assert refused.value.kind is FailureKind.BACKEND_UNAVAILABLE
