"""Servers that speak /v1/videos roughly, each in a way of its own that is met in the wild, with the nearest profile."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

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
)
from jobs.failures import FailureKind
from tests.jobs.backends.foreign import Foreign, Ways
from tests.jobs.backends.video_servers import DRIVER, order, sent

PROMPT = "Café in the rain, seen from the tram"
HTML = b"\n<!DOCTYPE html><title>404</title>"


def _named(**names: str) -> Any:
    return lambda job: {names.get(name, name): value for name, value in job.items()}


def _with(**values: Any) -> Any:
    return lambda job: {**job, **values}


def _without(*names: str) -> Any:
    return lambda job: {name: value for name, value in job.items() if name not in names}


HAPPY = {
    "as documented": Ways(),
    "id as a number": Ways(ids=lambda number: 10**12 + number),
    "id with signs": Ways(ids="models:wan/jobs@{}".format),
    "id as task_id": Ways(job=_named(id="task_id")),
    "id as video_id, state": Ways(job=_named(id="video_id", status="state")),
    "in data": Ways(around=lambda job: {"code": 0, "message": "ok", "data": job}),
    "in data, with a status around": Ways(around=lambda job: {"status": "success", "data": job}),
    "in video": Ways(around=lambda job: {"video": job}),
    "words in capitals": Ways(words=("QUEUED", "IN_PROGRESS", "COMPLETED")),
    "words with spaces": Ways(words=("Not Started", "In Progress", "Done")),
    "words with hyphens": Ways(words=("in-queue", "in-progress", "success")),
    "words of a proxy": Ways(words=("SUBMITTED", "postprocessing", "SUCCESS")),
    "created_at as a text": Ways(job=_with(created_at="2026-09-21T12:53:20Z")),
    "created_at in milliseconds": Ways(job=_with(created_at=1_790_000_000_000)),
    "created_at as digits": Ways(job=_with(created_at="1790000000")),
    "no created_at": Ways(job=_without("created_at", "prompt", "progress")),
    "201": Ways(created=201),
    "202": Ways(created=202),
    "chunks with a trailer": Ways(framing="chunks"),
    "no length": Ways(framing="close"),
    "utf-8 in capitals": Ways(content_type="application/json; charset=UTF-8"),
    "utf-8 with a mark": Ways(encoding="utf-8-sig"),
    "utf-16": Ways(encoding="utf-16"),
    "latin-1": Ways(encoding="latin-1", content_type='application/json; charset="ISO-8859-1"'),
    "text/plain": Ways(content_type="text/plain"),
    "problem+json": Ways(content_type="application/vnd.api+json"),
    "list bare": Ways(around_list=lambda jobs: jobs),
    "list in videos": Ways(around_list=lambda jobs: {"videos": jobs, "total": len(jobs)}),
    "list in data.items": Ways(around_list=lambda jobs: {"code": 0, "data": {"items": jobs}}),
}


@pytest.fixture(params=HAPPY)
def ways(request: pytest.FixtureRequest) -> Ways:
    """Give each way in turn."""
    return HAPPY[request.param]


@pytest.fixture
def server(ways: Ways) -> Iterator[Foreign]:
    """Give a server that has this way."""
    with Foreign(ways) as found:
        yield found


def _order(server: Foreign, **changes: Any) -> Order:
    return order(server, "generic", prompt=PROMPT, **changes)


def test_a_video_is_ordered_followed_listed_and_stopped(server: Foreign) -> None:
    first, second = sent(_order(server)), sent(_order(server))
    listed = DRIVER.look_at_many([first, second])
    running, done = DRIVER.look(first), DRIVER.look(first)
    stopped = DRIVER.cancel(second)
    server.forget()

    assert set(listed) == {first.backend_job_id, second.backend_job_id}
    assert all(isinstance(one, StillWaiting) for one in listed.values())
    assert isinstance(running, StillRunning)
    assert isinstance(done, Finished)
    # Its DELETE was confirmed, which proves nothing of its GPU.
    assert stopped is Cancellation.GOES_ON
    assert isinstance(DRIVER.look(first), Gone)
    DRIVER.health(first.site)


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        (Ways(), {"error": "CUDA out of memory."}),
        (Ways(), {"error": {"code": 500, "message": "CUDA out of memory."}}),
        (Ways(), {"error": [{"msg": "CUDA out of memory."}]}),
        (Ways(), {"error": None, "fail_reason": "CUDA out of memory."}),
        (Ways(failed=500), {"error": "CUDA out of memory."}),
        (Ways(failed=422, around=lambda job: {"data": job}), {"error": "CUDA out of memory."}),
    ],
)
@pytest.mark.parametrize("word", ["FAILED", "Failure", "timed out"])
def test_a_failed_job_is_read_in_any_shape(ways: Ways, said: dict[str, Any], word: str) -> None:
    words = ("queued", word)
    with Foreign(replace(ways, words=words), extra=said) as server:
        found = DRIVER.look(sent(_order(server)))

    assert isinstance(found, Failed)
    assert found.kind is FailureKind.BACKEND_ERROR
    assert "CUDA out of memory." in found.detail


@pytest.mark.parametrize(
    ("progress", "percent"),
    [(0.35, 35), (0.0, 0), (1, 1), (41.9, 41), ("50", 50), ("50%", 50), ("soon", None), ([], None)],
)
def test_progress_is_read_as_a_percentage_or_a_share_of_one(
    progress: Any, percent: int | None
) -> None:
    with Foreign(Ways(), progress=progress) as server:
        assert DRIVER.look(sent(_order(server))) == StillRunning(percent=percent)


@pytest.mark.parametrize(
    ("said", "opens"),
    [
        ({"url": "{}/files/1.mp4"}, "{}/files/1.mp4"),
        ({"url": "/files/1.mp4"}, "{}/files/1.mp4"),
        ({"urls": ["{}/files/1.mp4"]}, "{}/files/1.mp4"),
        ({"video_url": "{}/files/1.mp4"}, "{}/files/1.mp4"),
        ({"video": {"url": "{}/files/1.mp4"}}, "{}/files/1.mp4"),
        ({"result": {"url": "{}/files/1.mp4"}}, "{}/files/1.mp4"),
        # Elsewhere: what only may be the video is left, and the file asked for by its id.
        ({"video_url": "https://evil.example/1.mp4"}, ""),
        ({"video": {"url": "file:///etc/passwd"}}, ""),
    ],
)
def test_a_result_is_where_the_server_says_or_at_its_content(
    said: dict[str, Any], opens: str
) -> None:
    with Foreign(Ways()) as server:
        server.extra = _filled(said, server.url)
        wanted = sent(_order(server))
        DRIVER.look(wanted)
        found = DRIVER.look(wanted)

    assert isinstance(found, Finished)
    assert found.video.url == opens.format(server.url)
    assert found.video.is_content is not bool(opens)


def test_a_page_of_html_counts_where_the_server_itself_is_there() -> None:
    with Foreign(Ways(lost=(404, HTML))) as server:
        known, lost = sent(_order(server)), sent(_order(server))
        server.jobs.pop(lost.backend_job_id)

        assert isinstance(DRIVER.look(lost), Gone)
        assert isinstance(DRIVER.look(known), StillRunning)

    # A proxy's page for everything proves nothing, nor does one for a job that the list still names.
    behind = Ways(lost=(404, HTML), around_list=lambda _: "<html>")
    named = Ways(lost=(404, HTML), around_list=lambda _: [{"id": "vid-1", "status": "queued"}])
    for ways in (behind, named):
        with Foreign(ways) as server:
            lost = sent(_order(server))
            server.forget()
            with pytest.raises(BackendError):
                DRIVER.look(lost)


def test_an_order_whose_answer_was_lost_is_found_by_what_it_shows() -> None:
    now = datetime.now(UTC)
    told: Any = {"size": "1280x720", "seconds": "4", "created_at": now.isoformat()}
    with Foreign(Ways(job=_with(**told), around_list=lambda jobs: {"videos": jobs})) as server:
        wanted = _order(server, submitted_at=now)
        taken = DRIVER.submit(wanted).backend_job_id

        assert [one.backend_job_id for one in DRIVER.candidates(wanted)] == [taken]


def _filled(said: Any, url: str) -> Any:
    match said:
        case dict():
            return {name: _filled(value, url) for name, value in said.items()}
        case list():
            return [_filled(value, url) for value in said]
        case _:
            return said.format(url)
