"""Streams of videos that only their server has: redirects go where results may be, and our key to the server alone."""

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core import signing
from django.test import AsyncClient

from jobs import pools
from jobs.models import Account, Job
from tests.factories import ann
from tests.jobs.backends.foreign import FILE, Foreign, Ways
from tests.jobs.servers import handed_over, poll

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "sk-of-the-server"


@pytest.fixture
def elsewhere() -> Iterator[Foreign]:
    """Give a place where a server keeps its files."""
    with Foreign(Ways()) as found:
        yield found


def _site(server: Foreign, hosts: list[str]) -> dict[str, Any]:
    told = {"driver": "openai_videos", "profile": "generic", "key": KEY, "can_remix": False}
    return told | {"url": server.url, "result_hosts": hosts}


def _streamed(
    ways: Ways, *, hosts: list[str], later: Ways | None = None, **headers: str
) -> tuple[int, bytes, list[str]]:
    """Order, finish and open a video; give the status, the file, and the keys that the server saw for it."""
    owner = ann()
    with Foreign(ways) as server:
        pools.change("preview", actor="me", reason="", **_site(server, hosts))
        job = handed_over(owner)
        while not Job.objects.filter(finished_at__isnull=False).exists():
            poll()
        server.change(later or ways)
        before = len(server.asked)
        ticket = signing.dumps([job.id.hex, 1], salt="job content")
        status, body = async_to_sync(_opened)(f"/content/{ticket}", headers)
        return status, body, [key for _, path, key in server.asked[before:] if "/v1/" not in path]


async def _opened(path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    answer: Any = await AsyncClient().get(path, headers=headers)
    if not answer.streaming:
        return answer.status_code, b""
    return answer.status_code, b"".join([piece async for piece in answer.streaming_content])


@pytest.mark.parametrize("framing", ["length", "close", "chunks"])
def test_a_file_is_passed_on_however_it_is_sent(framing: str) -> None:
    assert _streamed(Ways(framing=framing), hosts=[])[:2] == (200, FILE)


def test_a_redirect_within_the_server_carries_our_key() -> None:
    found = _streamed(Ways(content_at="/elsewhere/1.mp4"), hosts=[])

    assert found == (200, FILE, [f"Bearer {KEY}"])


def test_a_redirect_to_a_named_host_is_followed_without_our_key(elsewhere: Foreign) -> None:
    host = elsewhere.url.removeprefix("http://")

    found = _streamed(Ways(content_at=f"{elsewhere.url}/elsewhere/1.mp4"), hosts=[host])

    assert found == (200, FILE, [])
    # Once for the beginning, before it succeeded.
    assert elsewhere.asked == [("GET", "/elsewhere/1.mp4", "")] * 2


def test_a_redirect_to_anywhere_else_is_not_followed(elsewhere: Foreign) -> None:
    later = Ways(content_at=f"{elsewhere.url}/elsewhere/1.mp4")

    assert _streamed(Ways(), hosts=["cdn.example"], later=later) == (502, b"", [])
    assert elsewhere.asked == []


def test_a_redirect_in_a_circle_ends() -> None:
    later = Ways(content_at="{}/v1/videos/vid-1/content")

    assert _streamed(Ways(), hosts=[], later=later)[0] == 502


@pytest.mark.parametrize(
    "ways",
    [
        Ways(content_at="{}/v1/videos/vid-1/content"),
        Ways(content_at="http://127.0.0.1:9/elsewhere/1.mp4"),
        Ways(content_at="{}/v1/videos/nowhere/content"),
    ],
    ids=["circle", "elsewhere", "missing"],
)
def test_what_is_called_done_and_cannot_be_opened_is_charged_to_nobody(
    ways: Ways, settings: Any
) -> None:
    settings.MAX_ATTEMPTS = 1
    owner = ann()
    before = Account.objects.get(owner=owner.user).balance
    with Foreign(ways) as server:
        pools.change("preview", actor="me", reason="", **_site(server, []))
        handed_over(owner)
        while not Job.objects.filter(finished_at__isnull=False).exists():
            poll()

    job = Job.objects.get()
    assert (job.state, job.error_code, job.credits_charged) == ("failed", "backend_error", 0)
    assert Account.objects.get(owner=owner.user).balance == before
