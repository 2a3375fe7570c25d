"""Every driver and dialect over TCP against the reference server: one suite, the same demands on each."""

import io
import time
from collections.abc import Callable
from dataclasses import replace

import av
import httpx
import pytest

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
from jobs.backends.http import NoAnswer
from jobs.failures import FailureKind
from notifications.deadline import within
from tests.gpu import FakeGpu
from tests.jobs.backends.dialects import DIALECTS, Dialect
from tests.jobs.backends.video_servers import KEY, Servers, struck

# Long enough for an honest answer on a busy machine, seconds.
HASTE = 0.3


@pytest.fixture(params=DIALECTS, ids=lambda one: one.name)
def spoken(request: pytest.FixtureRequest) -> Dialect:
    """Give each dialect in turn."""
    found: Dialect = request.param
    return found


@pytest.fixture
def gpu(spoken: Dialect, servers: Servers) -> FakeGpu:
    """Give the dialect's server, with one slot and nothing in it."""
    return servers.get(spoken.name)


def test_a_video_is_ordered_followed_and_fetched(
    gpu: FakeGpu, spoken: Dialect, caplog: pytest.LogCaptureFixture
) -> None:
    with struck(gpu, "hang"):
        first, second = (spoken.sent(spoken.order(gpu)) for _ in range(2))
        running, waiting = spoken.backend.look(first), spoken.backend.look(second)
    gpu.release()
    found = spoken.until_ended(first)

    assert isinstance(running, StillRunning)
    assert isinstance(waiting, StillWaiting if spoken.shows_waiting else StillRunning)
    assert "unknown status" not in caplog.text
    assert isinstance(found, Finished)
    assert found.video.is_content is not spoken.opens_by_url
    if spoken.opens_by_url:
        answer = httpx.get(found.video.url, trust_env=False)
    else:
        content = spoken.backend.content(first)
        answer = httpx.get(content.url, headers=dict(content.headers), trust_env=False)
    assert answer.status_code == 200
    with av.open(io.BytesIO(answer.content), "r") as container:
        assert len(list(container.decode(video=0))) == 48


@pytest.mark.parametrize(
    "fault", ["progress_falls", "null_progress", "no_progress", "faked_progress", "slow"]
)
def test_progress_is_a_percentage_or_nothing(gpu: FakeGpu, spoken: Dialect, fault: str) -> None:
    with struck(gpu, fault):
        assert isinstance(spoken.until_ended(spoken.sent(spoken.order(gpu))), Finished)


@pytest.mark.parametrize("is_running", [False, True], ids=["waiting", "running"])
def test_a_cancel_says_what_happened_to_the_gpu(
    gpu: FakeGpu, spoken: Dialect, *, is_running: bool
) -> None:
    with struck(gpu, "hang"):
        first, second = (spoken.sent(spoken.order(gpu)) for _ in range(2))
        wanted = first if is_running else second
        answer = spoken.backend.cancel(wanted)
    frees = any(one["frees"] for one in gpu.journal("canceled", wanted.backend_job_id))

    if spoken.stops_unknown:
        assert answer is Cancellation.GOES_ON
    else:
        assert frees is spoken.stops[is_running]
        assert answer is (Cancellation.STOPPED if frees else Cancellation.GOES_ON)


def test_a_cancel_that_the_server_only_pretends_is_seen(gpu: FakeGpu, spoken: Dialect) -> None:
    with struck(gpu, "hang", "cancel_ignored"):
        wanted = spoken.sent(spoken.order(gpu))

        assert spoken.backend.cancel(wanted) is Cancellation.GOES_ON


def test_a_cancel_refused_for_now_is_not_taken_for_a_stop(gpu: FakeGpu, spoken: Dialect) -> None:
    with struck(gpu, "hang", "delete_conflict"):
        wanted = spoken.sent(spoken.order(gpu))
        if not spoken.retries_cancel:
            assert spoken.backend.cancel(wanted) is Cancellation.GOES_ON
            return
        with pytest.raises(BackendError) as refused:
            spoken.backend.cancel(wanted)

    assert refused.value.kind is FailureKind.BACKEND_UNAVAILABLE


def test_a_cancel_that_comes_too_late_destroys_nothing(gpu: FakeGpu, spoken: Dialect) -> None:
    wanted = spoken.sent(spoken.order(gpu))
    spoken.until_ended(wanted)
    nobody = replace(wanted, backend_job_id="123456789", handle={})

    assert spoken.backend.cancel(wanted) is Cancellation.ENDED
    assert isinstance(spoken.backend.look(wanted), Finished)
    assert spoken.backend.cancel(nobody) is Cancellation.UNKNOWN


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("failure", FailureKind.BACKEND_ERROR),
        ("failed_as_500", FailureKind.BACKEND_ERROR),
        ("refused_content", FailureKind.CONTENT_POLICY),
    ],
)
def test_a_failed_job_says_why(
    gpu: FakeGpu, spoken: Dialect, fault: str, kind: FailureKind
) -> None:
    with struck(gpu, fault):
        wanted = spoken.sent(spoken.order(gpu))

    found = spoken.until_ended(wanted)

    assert isinstance(found, Failed)
    assert found.kind is kind
    assert kind is FailureKind.CONTENT_POLICY or "CUDA out of memory." in found.detail
    assert "CUDA" not in found.message


@pytest.mark.parametrize("fault", ["mute", "garbage", "huge", "drip", "error_500", "drop"])
def test_a_question_without_a_usable_answer_ends_soon(
    gpu: FakeGpu, spoken: Dialect, fault: str
) -> None:
    wanted = spoken.sent(spoken.order(gpu))
    began = time.monotonic()
    with struck(gpu, f"{fault}_on_poll"), within(HASTE), pytest.raises(BackendError) as unanswered:
        spoken.backend.look(wanted)

    assert unanswered.value.kind is FailureKind.BACKEND_UNAVAILABLE
    assert time.monotonic() - began < 3
    assert isinstance(spoken.until_ended(wanted), Finished)


@pytest.mark.parametrize(
    "fault",
    [
        *("mute_on_submit", "garbage_on_submit", "huge_on_submit", "drip_on_submit"),
        *("drop_after_accept", "error_500_after_accept"),
    ],
)
def test_a_create_without_an_answer_is_found_or_nothing_is_guessed(
    gpu: FakeGpu, spoken: Dialect, fault: str
) -> None:
    with struck(gpu, "hang"):
        # Its twins, before and after: of other owners, perhaps.
        spoken.sent(spoken.order(gpu))
        wanted = spoken.order(gpu)
        with struck(gpu, fault), within(HASTE), pytest.raises(Unanswered):
            spoken.backend.submit(wanted)
        spoken.sent(spoken.order(gpu))
    taken = [one["id"] for one in gpu.journal("submitted") if one["prompt"] == wanted.prompt]

    if spoken.finds:
        assert [one.backend_job_id for one in spoken.backend.candidates(wanted)] == taken
    elif spoken.has_list:
        with pytest.raises(BackendError, match="cannot tell"):
            spoken.backend.candidates(wanted)
    else:
        assert not spoken.backend.candidates(wanted)
        assert not spoken.backend.capabilities.can_find


def test_a_create_that_was_not_taken_is_not_found(gpu: FakeGpu, spoken: Dialect) -> None:
    wanted = spoken.order(gpu)
    with struck(gpu, "error_500_on_submit"), pytest.raises(Unanswered):
        spoken.backend.submit(wanted)

    assert not spoken.backend.candidates(wanted)
    assert not spoken.backend.candidates(replace(wanted, submitted_at=None))


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ("reject_402", FailureKind.BACKEND_UNAVAILABLE, "Insufficient credit"),
        ("reject_429", FailureKind.BACKEND_UNAVAILABLE, "Too many requests"),
        ("reject_content", FailureKind.CONTENT_POLICY, "content filter"),
    ],
)
def test_a_refused_create_says_whose_affair_it_is(
    gpu: FakeGpu, spoken: Dialect, fault: str, kind: FailureKind, said: str
) -> None:
    before = len(gpu.journal("submitted"))
    with struck(gpu, fault), pytest.raises(BackendError) as refused:
        spoken.backend.submit(spoken.order(gpu))

    assert refused.value.kind is kind
    assert said in refused.value.detail
    assert len(gpu.journal("submitted")) == before


def test_what_an_answer_calls_itself_does_not_matter(gpu: FakeGpu, spoken: Dialect) -> None:
    with struck(gpu, "wrong_content_type"):
        assert isinstance(spoken.until_ended(spoken.sent(spoken.order(gpu))), Finished)


def test_a_restart_loses_what_its_server_loses(gpu: FakeGpu, spoken: Dialect) -> None:
    with struck(gpu, "hang"):
        wanted = spoken.sent(spoken.order(gpu))
    gpu.restart()

    assert isinstance(spoken.backend.look(wanted), StillRunning if spoken.remembers else Gone)


@pytest.mark.parametrize("fault", ["no_result", "empty_result", "page_for_result"])
def test_what_is_done_without_a_video_has_failed(gpu: FakeGpu, spoken: Dialect, fault: str) -> None:
    with struck(gpu, fault):
        both = [spoken.sent(spoken.order(gpu)) for _ in range(2)]
    found = [spoken.until_ended(one) for one in both]
    found += spoken.backend.look_at_many(both).values()

    for one in found:
        if spoken.opens_by_url and fault != "no_result":
            # Where a result has an address of its own, nobody but its viewer opens that.
            assert isinstance(one, Finished)
            continue
        assert isinstance(one, Failed)
        assert one.kind is FailureKind.BACKEND_ERROR
        assert one.message == "The generation server finished without a video."


def test_a_404_for_a_job_that_lives_is_not_believed(gpu: FakeGpu, spoken: Dialect) -> None:
    with struck(gpu, "hang"):
        wanted = spoken.sent(spoken.order(gpu))
    asks: dict[str, Callable[[Order], object]] = {
        "forget_on_poll": spoken.backend.look,
        "forget_on_delete": spoken.backend.cancel,
    }
    for fault, ask in asks.items():
        with struck(gpu, fault), pytest.raises(BackendError) as unbelieved:
            ask(wanted)
        assert unbelieved.value.kind is FailureKind.BACKEND_UNAVAILABLE
        assert gpu.journal("fault", wanted.backend_job_id)[-1]["name"] == fault

    assert isinstance(spoken.backend.look(wanted), StillRunning)


def test_a_word_that_nobody_knows_means_work_goes_on(gpu: FakeGpu, spoken: Dialect) -> None:
    with struck(gpu, "hang", "unknown_status"):
        wanted = spoken.sent(spoken.order(gpu))

        assert isinstance(spoken.backend.look(wanted), StillRunning)


def test_several_are_asked_about_at_once(gpu: FakeGpu, spoken: Dialect) -> None:
    with struck(gpu, "failure"):
        failed = spoken.sent(spoken.order(gpu))
    done = spoken.sent(spoken.order(gpu))
    spoken.until_ended(done)
    spoken.until_ended(failed)
    with struck(gpu, "hang"):
        running = spoken.sent(spoken.order(gpu))
    lost = spoken.order(gpu, backend_job_id="123456789")
    before = _questions(gpu)

    found = spoken.backend.look_at_many([done, failed, running, lost], pages=3)

    assert spoken.backend.look_at_many([]) == {}
    assert spoken.backend.capabilities.asks_many is spoken.has_list
    if not spoken.has_list:
        assert found == {}
        return
    assert {known: type(one) for known, one in found.items()} == {
        done.backend_job_id: Finished,
        failed.backend_job_id: Failed,
        running.backend_job_id: StillRunning,
    }
    assert _questions(gpu) == before + 1


def test_health_names_the_models(gpu: FakeGpu, spoken: Dialect) -> None:
    wanted = spoken.order(gpu)

    assert spoken.backend.health(wanted.site).models == spoken.models
    if spoken.has_health:
        with struck(gpu, "unhealthy"), pytest.raises(BackendError) as ill:
            spoken.backend.health(wanted.site)
        assert ill.value.kind is FailureKind.BACKEND_UNAVAILABLE


def _asks(spoken: Dialect) -> list[Callable[[Order], object]]:
    backend = spoken.backend
    return [backend.submit, backend.look, backend.cancel, lambda one: backend.health(one.site)]


def test_a_refused_key_is_the_operators_affair(gpu: FakeGpu, spoken: Dialect) -> None:
    wanted = spoken.order(gpu, backend_job_id="1")
    wrong = replace(wanted, site=replace(wanted.site, key="sk-wrong"))

    for ask in _asks(spoken):
        with pytest.raises(BackendError) as refused:
            ask(wrong)
        assert refused.value.kind is FailureKind.BACKEND_ERROR
        assert "refuses our key" in refused.value.detail
        assert "key" not in refused.value.message
    assert KEY not in repr(wanted)


def test_a_server_that_is_not_there_is_unavailable_and_denies_nothing(
    gpu: FakeGpu, spoken: Dialect
) -> None:
    wanted = spoken.order(gpu, backend_job_id="1")
    nobody = replace(wanted, site=replace(wanted.site, url="http://127.0.0.1:1"))
    lists: list[Callable[[Order], object]] = [
        spoken.backend.candidates,
        lambda one: spoken.backend.look_at_many([one]),
    ]

    for ask in (*_asks(spoken), *(lists if spoken.has_list else [])):
        with pytest.raises(BackendError) as refused:
            ask(nobody)
        assert refused.value.kind is FailureKind.BACKEND_UNAVAILABLE
        assert isinstance(refused.value.__cause__, NoAnswer)


def _questions(gpu: FakeGpu) -> int:
    return int(gpu.state()["requests"]["questions"]["total"])
