"""What our driver makes of each fault of the reference server."""

import dataclasses
from typing import Any

import httpx
import pytest

from jobs.backends.backend import (
    BackendError,
    Cancellation,
    Failed,
    Finished,
    Forged,
    Gone,
    Hint,
    StillRunning,
    Unanswered,
)
from jobs.failures import FailureKind
from notifications.deadline import within
from tests.jobs.backends.fault_scenes import Act, Scene

# Long enough for an honest answer on a busy machine, seconds.
HASTE = 0.3


def sees(kind: type[Any], /, **facts: Any) -> Act:
    """Look once, and find this."""

    def act(scene: Scene) -> None:
        wanted = scene.sent()
        scene.gpu.wait_for("submitted", wanted.backend_job_id)
        found = scene.spoken.backend.look(wanted)
        assert isinstance(found, kind), found
        assert {name: getattr(found, name) for name in facts} == facts

    return act


def ends(kind: type[Any], /, **facts: Any) -> Act:
    """Look until it has ended, and find this."""

    def act(scene: Scene) -> None:
        found = scene.spoken.until_ended(scene.sent())
        assert isinstance(found, kind), found
        assert {name: getattr(found, name) for name in facts} == facts

    return act


def fails_discreetly(scene: Scene) -> None:
    found = scene.spoken.until_ended(scene.sent())
    assert isinstance(found, Failed)
    assert "CUDA" in found.detail
    assert "CUDA" not in found.message


def is_opened_where_it_is(scene: Scene) -> None:
    found = scene.spoken.until_ended(scene.sent())
    assert isinstance(found, Finished)
    assert httpx.get(found.video.url, trust_env=False).status_code == 200


def gives_no_answer(scene: Scene) -> None:
    wanted = scene.sent()
    with within(HASTE), pytest.raises(BackendError) as unanswered:
        scene.spoken.backend.look(wanted)
    assert unanswered.value.kind is FailureKind.BACKEND_UNAVAILABLE
    assert scene.runs(wanted.prompt) == 1


def is_found_again(scene: Scene) -> None:
    wanted = scene.spoken.order(scene.gpu)
    with within(HASTE), pytest.raises(Unanswered):
        scene.spoken.backend.submit(wanted)
    assert len(scene.spoken.backend.candidates(wanted)) == scene.runs(wanted.prompt) == 1


def was_never_taken(scene: Scene) -> None:
    wanted = scene.spoken.order(scene.gpu)
    with pytest.raises(Unanswered):
        scene.spoken.backend.submit(wanted)
    assert len(scene.spoken.backend.candidates(wanted)) == scene.runs(wanted.prompt) == 0


def is_refused(kind: FailureKind) -> Act:
    def act(scene: Scene) -> None:
        before = len(scene.gpu.journal("fault"))
        with pytest.raises(BackendError) as refused:
            scene.spoken.backend.submit(scene.spoken.order(scene.gpu))
        assert refused.value.kind is kind
        assert len(scene.gpu.journal("fault")) == before + 1

    return act


def stops(answer: Cancellation) -> Act:
    def act(scene: Scene) -> None:
        assert scene.spoken.backend.cancel(scene.sent()) is answer

    return act


def asks_later_to_stop(scene: Scene) -> None:
    wanted = scene.sent()
    with pytest.raises(BackendError) as refused:
        scene.spoken.backend.cancel(wanted)
    assert refused.value.kind is FailureKind.BACKEND_UNAVAILABLE


def learns_by_asking(scene: Scene) -> None:
    wanted = scene.sent(callback_url=scene.receiver.url)
    assert isinstance(scene.spoken.until_ended(wanted), Finished)
    assert not [one for one in scene.receiver.letters if wanted.backend_job_id.encode() in one.body]


def is_told_of(count: int) -> Act:
    """However many webhooks come, whatever they say: each is a hint at one job, and has no verdict."""

    def act(scene: Scene) -> None:
        wanted = scene.sent(callback_url=scene.receiver.url)
        hints = [scene.hint(wanted, one) for one in scene.letters(wanted.backend_job_id, count)]
        assert {one.backend_job_id for one in hints} == {wanted.backend_job_id}
        names = [one.name for one in dataclasses.fields(Hint)]
        assert names == ["message_id", "backend_job_id"]

    return act


def refuses_what_came(scene: Scene) -> None:
    wanted = scene.sent(callback_url=scene.receiver.url)
    [letter] = scene.letters(wanted.backend_job_id)
    with pytest.raises(Forged):
        scene.hint(wanted, letter)


def is_ill(scene: Scene) -> None:
    with pytest.raises(BackendError):
        scene.spoken.backend.health(scene.spoken.order(scene.gpu).site)


GONE = sees(Gone)
RUNNING = sees(StillRunning)
