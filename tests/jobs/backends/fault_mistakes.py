"""What a naive driver makes of each fault of the reference server."""

import json
import time

import httpx
import pytest

from tests.jobs.backends.fault_scenes import Act, Scene
from tests.jobs.backends.naive import LARGEST_SANE, SMALLEST_CLIP, host, is_signed


def breaks(error: type[Exception]) -> Act:
    def act(scene: Scene) -> None:
        job = scene.naive_job()
        with pytest.raises(error):
            scene.naive.look(job)

    return act


def ends_broken(scene: Scene) -> None:
    job = scene.naive_job()
    scene.gpu.wait_for("failed", job)
    with pytest.raises(httpx.HTTPStatusError):
        scene.naive.look(job)


def sends_twice(scene: Scene) -> None:
    scene.naive.submit()
    assert scene.runs(scene.naive.prompt) == 2


def sends_twice_while_it_runs(scene: Scene) -> None:
    job = scene.naive_job()
    scene.naive.insists(job)
    assert job in scene.gpu.state()["running"]
    assert scene.runs(scene.naive.prompt) == 2


def asks_again_for_the_same(scene: Scene) -> None:
    before = len(scene.gpu.journal("fault"))
    assert scene.naive.submit() == ""
    assert len(scene.gpu.journal("fault")) == before + 2


def gives_up_and_sends_again(scene: Scene) -> None:
    job = scene.naive_job()
    with pytest.raises(TimeoutError):
        scene.naive.waits(job, 0.3)
    scene.naive.submit()
    assert scene.runs(scene.naive.prompt) == 2


def tells_the_servers_inside(scene: Scene) -> None:
    job = scene.naive_job()
    scene.gpu.wait_for("failed", job)
    assert "CUDA" in scene.naive.job(job)["error"]["message"]


def tries_the_refused_again(scene: Scene) -> None:
    for _ in range(2):
        scene.gpu.wait_for("failed", job := scene.naive.submit())
        assert scene.naive.look(job)[0] == "failed"
    assert scene.runs(scene.naive.prompt) == 2


def hears(*kinds: str) -> Act:
    """Take each webhook's word: so many charges, and the last one's verdict."""

    def act(scene: Scene) -> None:
        job = scene.naive.submit()
        came = scene.letters(job, len(kinds))
        assert [json.loads(one.body)["type"] for one in came] == list(kinds)

    return act


def hears_nothing(scene: Scene) -> None:
    job = scene.naive.submit()
    scene.gpu.wait_for("finished", job)
    assert not [one for one in scene.receiver.letters if job.encode() in one.body]


def hears_of_what_it_does_not_know(scene: Scene) -> None:
    job = scene.naive.submit()
    answered_at = time.time()
    assert scene.letters(job)[0].at < answered_at


def hears_the_start_last(scene: Scene) -> None:
    job = scene.naive.predict(scene.receiver.url)
    first, last = (json.loads(one.body)["status"] for one in scene.letters(job, 2))
    assert (first, last) == ("succeeded", "processing")


def believes_what_is_unsigned(scene: Scene) -> None:
    [letter] = scene.letters(scene.naive.submit())
    assert json.loads(letter.body)["type"] == "video.completed"
    assert not is_signed(letter.headers, letter.body)


def believes_what_is_old(scene: Scene) -> None:
    [letter] = scene.letters(scene.naive.submit())
    assert is_signed(letter.headers, letter.body)


def frees_nothing(scene: Scene) -> None:
    job = scene.naive_job()
    assert scene.naive.cancel(job)
    assert not any(one["frees"] for one in scene.gpu.journal("canceled", job))
    assert job in scene.gpu.state()["running"]


def forgets_what_was_not_stopped(scene: Scene) -> None:
    job = scene.naive_job()
    assert not scene.naive.cancel(job)
    assert job in scene.gpu.state()["running"]


def divides_by_nothing(scene: Scene) -> None:
    job = scene.naive_job()
    with pytest.raises(ZeroDivisionError):
        scene.naive.seconds_left(job, 1.0)


def advances_while_it_waits(scene: Scene) -> None:
    scene.naive_job()
    waiting = scene.naive.submit()
    deadline = time.monotonic() + 60
    while scene.naive.look(waiting)[1] == 0:
        assert time.monotonic() < deadline
    assert waiting in scene.gpu.state()["waiting"]


def runs_while_it_waits(scene: Scene) -> None:
    scene.naive_job()
    waiting = scene.naive.submit()
    assert waiting in scene.gpu.state()["waiting"]
    assert scene.naive.look(waiting)[0] == "in_progress"


def goes_back(scene: Scene) -> None:
    job = scene.naive_job()
    shown: list[int] = []
    while scene.naive.look(job)[0] != "completed":
        shown.append(scene.naive.look(job)[1])
    assert shown != sorted(shown)


def fetches_from_anywhere(scene: Scene) -> None:
    job = scene.naive.predict("")
    scene.gpu.wait_for("finished", job)
    assert host(scene.naive.output(job)) != host(scene.gpu.url)


def asks_in_the_wrong_place(scene: Scene) -> None:
    job = scene.naive_job()
    scene.gpu.wait_for("finished", job)
    assert scene.naive.status_of(f"/v1/videos/{job}/content") == 400


def opens_what_is_not_there(scene: Scene) -> None:
    job = scene.naive.predict("")
    scene.gpu.wait_for("finished", job)
    with pytest.raises((TypeError, IndexError)):
        scene.naive.output(job)


def pays_for_nothing(scene: Scene) -> None:
    scene.gpu.wait_for("finished", job := scene.naive_job())
    assert scene.naive.look(job)[0] == "completed"
    assert scene.naive.size_of(f"/v1/videos/{job}/content") == 0


def pays_for_a_page(scene: Scene) -> None:
    scene.gpu.wait_for("finished", job := scene.naive_job())
    assert scene.naive.look(job)[0] == "completed"
    assert scene.naive.status_of(f"/v1/videos/{job}/content") == 200
    assert scene.naive.size_of(f"/v1/videos/{job}/content") < SMALLEST_CLIP


def reads_for_ever(scene: Scene) -> None:
    job = scene.naive_job()
    assert scene.naive.size_of(f"/v1/videos/{job}") > LARGEST_SANE


def waits_byte_by_byte(scene: Scene) -> None:
    # Its patience is two seconds, for each byte anew.
    job, began = scene.naive_job(), time.monotonic()
    scene.naive.size_of(f"/v1/videos/{job}", most=2)
    assert time.monotonic() - began > 1.9


def takes_any_answer_for_health(scene: Scene) -> None:
    assert scene.naive.is_there()
    assert scene.naive.status_of("/health") == 503
