"""Answers that no known server gives, and every shape of an error."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from jobs.backends.backend import (
    BackendError,
    Failed,
    Finished,
    Gone,
    Site,
    StillRunning,
    StillWaiting,
    Submitted,
    Unanswered,
    Video,
)
from jobs.backends.openai_videos import reading
from jobs.backends.openai_videos.profiles import profile
from jobs.failures import FailureKind
from tests.jobs.backends.scripted import Scripted, answer
from tests.jobs.backends.video_servers import DRIVER, order

GENERIC = profile("generic")
SITE = Site(
    pool="gpus", driver="openai_videos", profile="generic", url="https://gpu.example", key="sk-1"
)


def job(**fields: Any) -> dict[str, Any]:
    return {"id": "a1", "object": "video", "status": "failed", **fields}


@pytest.mark.parametrize(
    "said",
    [
        answer(200, {"id": 17, "status": "queued"}),
        answer(201, {"id": "17"}),
        answer(202, {"id": "17", "status": "whatever"}),
        answer(500, {"id": "17", "object": "video", "status": "failed"}),
    ],
)
def test_a_create_that_shows_its_job_was_taken(said: bytes) -> None:
    with Scripted(said) as server:
        assert DRIVER.submit(order(server, "generic")) == Submitted(backend_job_id="17")


@pytest.mark.parametrize(
    "said",
    [
        answer(200, b"<html>"),
        answer(200, []),
        answer(200, {"id": None}),
        answer(200, {"id": True}),
        answer(200, {"id": ".."}),
        answer(200, {"id": "a b"}),
        answer(200, {"id": "\ud800\u0000"}),
        answer(200, {"id": "x" * 256}),
        answer(500, {"id": "req_1", "status": "error", "message": "It broke."}),
        answer(502, b"<html>Bad gateway</html>"),
        answer(503, b"<html>Nobody there</html>"),
        answer(504, b""),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
    ],
)
def test_a_create_that_shows_no_job_may_have_been_taken(said: bytes) -> None:
    with Scripted(said) as server, pytest.raises(Unanswered):
        DRIVER.submit(order(server, "generic"))


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (answer(400, {"detail": "Too dark."}), "invalid_request", "Too dark."),
        (answer(413, b"<html>"), "invalid_request", ""),
        (
            answer(422, {"detail": [{"loc": ["body", "size"], "msg": "No such size."}]}),
            "invalid_request",
            "No such size.",
        ),
        (answer(400, {"error": {"message": "See http://10.0.0.1/x"}}), "invalid_request", ""),
        (answer(400, {"error": "No file /srv/models/wan"}), "invalid_request", ""),
        (answer(400, {"error": "x" * 201}), "invalid_request", ""),
        (answer(400, {"error": {"message": {"deep": 1}}}), "invalid_request", ""),
        (answer(400, {"code": "content_policy_violation"}), "content_policy", ""),
        (
            answer(403, {"error": "Blocked by moderation"}),
            "content_policy",
            "Blocked by moderation",
        ),
        (answer(403, {"error": "Forbidden"}), "backend_error", ""),
        (answer(404, {"detail": "Not Found"}), "backend_error", ""),
        (answer(301, Location="https://gpu.example/"), "backend_error", ""),
        (answer(409, {"error": "Duplicate"}), "backend_error", ""),
        (answer(503, {"detail": "The queue is full."}), "backend_unavailable", ""),
        (answer(503, b"<html>", Retry_After="9"), "backend_unavailable", ""),
    ],
)
def test_a_refusal_is_read_in_any_shape(said: bytes, kind: str, message: str) -> None:
    with Scripted(said) as server, pytest.raises(BackendError) as refused:
        DRIVER.submit(order(server, "generic"))

    assert refused.value.kind is FailureKind(kind)
    assert refused.value.message == (message or FailureKind(kind).sentence)


def test_a_proxys_page_does_not_prove_that_a_job_is_lost() -> None:
    page = answer(404, b"\n<!DOCTYPE html><title>404</title>")
    # Each is followed by a list, which this server has not.
    known = answer(404, {"detail": "Video not found"})
    with Scripted(page, page, known, known, answer(410), known) as server:
        wanted = order(server, "generic", backend_job_id="a1")

        with pytest.raises(BackendError):
            DRIVER.look(wanted)
        assert DRIVER.look(wanted) == Gone()
        assert DRIVER.look(wanted) == Gone()


def test_only_a_failed_job_is_believed_within_an_error() -> None:
    with Scripted(answer(500, job(status="completed")), answer(418, job())) as server:
        wanted = order(server, "generic", backend_job_id="a1")

        with pytest.raises(BackendError):
            DRIVER.look(wanted)
        assert isinstance(DRIVER.look(wanted), Failed)


@pytest.mark.parametrize("error", [None, "boom", {"message": None}, {"code": 7}, [], 5, {"a": []}])
def test_a_failed_job_may_say_anything(error: Any) -> None:
    found = reading.sighting(job(error=error), SITE, GENERIC)

    assert isinstance(found, Failed)
    assert found.kind is FailureKind.BACKEND_ERROR


def test_a_failed_job_may_be_its_authors_fault_and_tells_no_secret() -> None:
    error = {"code": 422, "message": "The size is odd; your key is sk-1."}

    found = reading.sighting(job(error=error), SITE, GENERIC)

    assert isinstance(found, Failed)
    assert found.kind is FailureKind.INVALID_REQUEST
    assert "sk-1" not in found.detail


@pytest.mark.parametrize(
    ("progress", "percent"),
    [
        (0, 0),
        (41.9, 41),
        (100, 100),
        (250, 100),
        (-1, None),
        (None, None),
        (True, None),
        ("50", 50),
        ("5e1", None),
        (float("nan"), None),
        (float("inf"), 100),
        (10**400, 100),
    ],
)
def test_progress_is_brought_into_range(progress: Any, percent: int | None) -> None:
    found = reading.sighting(job(status="RUNNING ", progress=progress), SITE, GENERIC)

    assert found == StillRunning(percent=percent)


def test_words_are_read_in_any_case() -> None:
    assert reading.sighting(job(status="Pending"), SITE, GENERIC) == StillWaiting()


def test_a_result_has_its_end_and_its_place() -> None:
    done = job(status="succeeded", url=None, urls=["/files/1.mp4"], expires_at=4_000_000_000)

    found = reading.sighting(done, SITE, GENERIC)

    until = datetime.fromtimestamp(4_000_000_000, UTC)
    video = Video(url="https://gpu.example/files/1.mp4", expires_at=until)
    assert found == Finished(video=video)
    for url in ("//evil.example/1.mp4", "https://evil.example/1.mp4", "ftp://gpu.example/1"):
        assert isinstance(reading.sighting(done | {"url": url}, SITE, GENERIC), Failed)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (12, 12.0),
        (12.5, 12.5),
        ("1970-01-01T00:00:12+00:00", 12.0),
        ("1970-01-01T00:00:12Z", 12.0),
        ("1970-01-01T00:00:12", 12.0),
        ("soon", None),
        (None, None),
        (True, None),
        (-1, None),
        (10**400, None),
        (1_800_000_000_000, 1_800_000_000.0),
        ("1800000000", 1_800_000_000.0),
        (10**17, None),
        ("9999-12-31T23:59:59-23:59", None),
        ("0001-01-01T00:00:00+23:59", None),
    ],
)
def test_a_moment_is_read_from_what_it_may_be(value: Any, seconds: float | None) -> None:
    assert reading.moment(value) == seconds


def test_a_server_whose_clock_is_wrong_is_searched_by_its_own_clock() -> None:
    wanted_at = datetime.now(UTC)
    theirs = wanted_at - timedelta(hours=1)
    with Scripted(b"", b"") as server:
        wanted = order(server, "openai", submitted_at=wanted_at)
    listed = job(prompt=wanted.prompt, model="sora-2", created_at=int(theirs.timestamp()))
    page = {"data": [listed], "has_more": False}

    for date, is_found in ((theirs, True), (wanted_at, False)):
        with Scripted(answer(200, page, Date=format_datetime(date, usegmt=True))) as server:
            found = DRIVER.candidates(order(server, "openai", prompt=wanted.prompt))
        assert bool(found) is is_found


def test_a_list_without_an_end_denies_nothing() -> None:
    old = job(prompt="Another", created_at=int(datetime.now(UTC).timestamp()))
    pages = [answer(200, {"data": [old], "has_more": True})] * 10

    with Scripted(*pages) as server, pytest.raises(BackendError, match="cannot tell"):
        DRIVER.candidates(order(server, "openai"))


@pytest.mark.parametrize("said", [answer(200, b" " * 2**22), answer(404, b"<html>"), answer(405)])
def test_a_list_that_is_of_no_use_says_nothing_of_any_job(said: bytes) -> None:
    with Scripted(said) as server:
        wanted = order(server, "generic", backend_job_id="a1")

        assert DRIVER.look_at_many([wanted]) == {}


@pytest.mark.parametrize("said", [answer(401), answer(500), answer(200, {"data": 1}), b""])
def test_a_list_that_fails_is_a_server_that_fails(said: bytes) -> None:
    with Scripted(said) as server, pytest.raises(BackendError):
        DRIVER.look_at_many([order(server, "generic", backend_job_id="a1")])


@pytest.mark.parametrize(
    ("body", "slots"),
    [
        ({"slots": 4}, 4),
        ({"status": "ok", "max_concurrency": 2}, 2),
        ({"slots": True}, None),
        ({"slots": -1, "max_concurrent_requests": 3}, 3),
        ({"slots": 10**9}, None),
        (["slots"], None),
    ],
)
def test_a_capacity_is_a_number_that_can_be_one(body: Any, slots: int | None) -> None:
    models = {"data": [{"id": "wan"}]}
    with Scripted(answer(200, body), answer(200, models)) as server:
        found = DRIVER.health(order(server, "sglang").site)

    assert (found.slots, found.models) == (slots, ("wan",))
