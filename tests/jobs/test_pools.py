"""Pools: added, tried, changed with a log, taken out when they fail in a row, let back in with care."""

import io
from datetime import datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from jobs import pool_checks, pool_health, pools, transitions
from jobs.backends.backend import BackendError, Cancellation, Failed, Finished, KeyRefused
from jobs.errors import InvalidField
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Job, Lease, Pool, PoolChange, PoolState
from notifications import sealing
from notifications.sealing import CannotOpen
from tests.factories import VIDEO, ann, running
from tests.gpu import FakeGpu
from tests.jobs.servers import ScriptedServer, handed_over, poll, server

__all__ = ["server"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_secret_is_sealed_and_comes_back_and_is_in_no_repr() -> None:
    ann()
    pools.change("preview", actor="me", reason="a new key", key="sk-secret")

    stored = Pool.objects.get().sealed_key
    change = PoolChange.objects.get()
    assert "sk-secret" not in stored
    assert sealing.unseal(stored) == "sk-secret"
    assert change.changed == {"key": ["secret", "another secret"]}


def test_a_secret_of_another_installation_is_not_opened(settings: Any) -> None:
    sealed = sealing.seal("sk-secret")
    settings.SEALING_KEYS = ["another key"]

    with pytest.raises(CannotOpen):
        sealing.unseal(sealed)


def test_a_changed_key_still_opens_what_the_old_one_sealed(settings: Any) -> None:
    sealed = sealing.seal("sk-secret")
    settings.SEALING_KEYS = ["a new key", *settings.SEALING_KEYS]

    assert sealing.unseal(sealed) == "sk-secret"


def test_every_change_says_who_made_it_and_why() -> None:
    ann()
    pools.change("preview", actor="ops@example.com", reason="node maintenance", slots=1)

    change = PoolChange.objects.get()
    assert (change.actor, change.reason) == ("ops@example.com", "node maintenance")
    assert change.changed == {"slots": [2, 1]}


_SORA: dict[str, Any] = {"driver": "openai_videos", "profile": "openai", "url": "http://s.test"}
_WAN: dict[str, Any] = {
    "driver": "replicate",
    "profile": "",
    "url": "https://r.test",
    "model_names": ["owner/wan"],
}


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"driver": "telepathy"}, "driver"),
        ({"slots": -1}, "slots"),
        ({"seconds": ["long"]}, "seconds"),
        ({"sizes": ["huge"]}, "sizes"),
        ({"sizes": []}, "sizes"),
        ({"declared_speed": -1.0}, "declared_speed"),
        ({"polls_per_second": 0.0}, "polls_per_second"),
        ({"url": "gpu-1:8091"}, "url"),
        ({"result_hosts": ["cdn.example.com; script-src *"]}, "result_hosts"),
        ({"driver": "replicate", "url": "https://r.test", "model_names": ["wan"]}, "model_names"),
        ({"driver": "fal", "url": "https://f.test", "model_names": ["wan"]}, "model_names"),
        (_SORA | {"seconds": [5]}, "seconds"),
        (_SORA | {"seconds": [4], "sizes": ["854x480"]}, "sizes"),
        (_SORA | {"seconds": [4], "sizes": ["1280x720"], "field_map": {"seed": "s"}}, "field_map"),
        (_WAN | {"field_map": {"mood": "mood"}}, "field_map"),
        (_WAN | {"field_map": {"seed": "no name"}}, "field_map"),
        (_WAN | {"field_map": {"seed": "one", "prompt": "one"}}, "field_map"),
        ({"seconds": list(range(1, 502))}, "seconds"),
    ],
)
def test_a_pool_that_cannot_work_is_refused_by_its_field(
    settings: dict[str, Any], field: str
) -> None:
    ann()
    Pool.objects.update(image_input="", can_remix=False)
    with pytest.raises(InvalidField) as refused:
        pools.put("preview", settings, actor="me")

    assert refused.value.field == field
    assert not PoolChange.objects.exists()


def test_a_pool_that_works_drains_before_it_goes() -> None:
    job = running(ann())

    first = pools.remove("preview", actor="me")
    transitions.end_attempt(
        JobId(job.id), attempt=1, failure=FailureKind.INVALID_REQUEST, message="No.", jitter=0
    )
    state = Pool.objects.get().state
    second = pools.remove("preview", actor="me")

    assert (first, state, second) == (1, PoolState.DRAINING, 0)
    assert not Pool.objects.exists()
    assert Job.objects.get().pool_id == "preview"


def test_the_commands_add_try_and_remove_a_pool() -> None:
    out = io.StringIO()
    options = ["--name", "local", "--driver", "preview", "--slots", "1", "--models", "preview"]

    call_command("add_pool", *options, stdout=out)
    call_command("test_pool", "--name", "local", stdout=out)
    call_command("remove_pool", "--name", "local", stdout=out)

    assert "The pool local was added." in out.getvalue()
    assert "ok  The backend is here." in out.getvalue()
    assert "The pool local was removed." in out.getvalue()


def test_a_pool_without_models_offers_what_its_server_has(server: ScriptedServer) -> None:
    server.models = ("wan-a", "wan-b")
    out = io.StringIO()
    options = [
        "--name",
        "gpu",
        "--driver",
        "preview",
        "--url",
        "http://gpu.example",
        "--slots",
        "1",
    ]

    call_command("add_pool", *options, stdout=out)

    assert Pool.objects.get(name="gpu").model_names == ["wan-a", "wan-b"]
    assert "It took a test order" in out.getvalue()


def test_the_report_says_how_each_pool_does(server: ScriptedServer) -> None:
    owner = ann()
    done, failed = handed_over(owner), handed_over(owner)
    server.sighting = Finished(video=VIDEO)
    Lease.objects.filter(job_id=done.id).update(poll_at="2020-01-01T00:00:00Z")
    Lease.objects.filter(job_id=failed.id).update(poll_at="2100-01-01T00:00:00Z")
    poll(due=False)
    transitions.end_attempt(
        JobId(failed.id), attempt=1, failure=FailureKind.BACKEND_ERROR, message="No.", jitter=0
    )
    out = io.StringIO()

    call_command("pools", stdout=out)

    assert Job.objects.get(id=done.id).state == "succeeded"
    assert "2 attempts in 60 minutes: 50 % failed" in out.getvalue()


def _report() -> str:
    out = io.StringIO()
    call_command("pools", stdout=out)
    return out.getvalue()


def test_the_report_tells_where_a_server_differs_from_what_was_set(server: ScriptedServer) -> None:
    ann()
    Pool.objects.update(url="http://gpu.test")
    server.slots, server.models = 4, ("preview-1", "wan")
    before = _report()
    pool_health.check_servers(every_seconds=10)

    assert "its server has never answered; it is asked in a moment" in before
    assert "it works on 4 at once, and 2 slots are set" in _report()
    assert Pool.objects.get().slots == 2
    assert Pool.objects.get().told_models == ["preview-1", "wan"]


def test_the_report_tells_a_refused_key_from_silence(server: ScriptedServer) -> None:
    ann()
    Pool.objects.update(url="http://gpu.test")
    server.sighting = KeyRefused(401)
    pool_health.check_servers(every_seconds=10)
    refused = _report()
    Pool.objects.update(last_error="ConnectError", checked_at=None)

    assert "its server refuses our key: It refuses our key (HTTP 401)" in refused
    assert "its server has never answered: ConnectError" in _report()


def test_pages_may_show_what_pools_name_and_nothing_else(server: ScriptedServer) -> None:
    ann()
    host = "*.media.example.com"
    pools.change("preview", actor="me", reason="", url="http://gpu.test", result_hosts=[host])

    policy = Client().get("/sign-in").headers["Content-Security-Policy"]
    api = Client().get("/api/v1/nowhere").headers["Content-Security-Policy"]

    (media,) = [one for one in policy.split(";") if one.strip().startswith("media-src")]
    assert host in media
    assert "gpu.test" in media
    assert host not in api


def test_a_command_without_what_it_needs_says_what_is_missing() -> None:
    with pytest.raises(CommandError, match="--driver"):
        call_command("add_pool", "--name", "local", "--slots", "1", "--models", "a")
    with pytest.raises(CommandError, match="There is no pool 'local'"):
        call_command("remove_pool", "--name", "local")


# --- Test connection


def _sentences(pool: Pool) -> list[tuple[bool, str]]:
    return [(found.is_ok, found.sentence) for found in pool_checks.check(pool)]


def test_a_connection_test_really_submits_and_cancels(server: ScriptedServer) -> None:
    ann()

    found = _sentences(Pool.objects.get())

    assert [is_ok for is_ok, _ in found] == [True, True]
    assert server.asked == ["health", "submit", "look", "cancel"]


@pytest.mark.parametrize(
    ("sighting", "word"),
    [
        (BackendError(FailureKind.BACKEND_ERROR, "No.", detail="refuses our key"), "key"),
        (Failed(kind=FailureKind.BACKEND_ERROR, message="Out of memory."), "Out of memory"),
    ],
)
def test_a_connection_test_says_what_is_wrong(
    server: ScriptedServer, sighting: Any, word: str
) -> None:
    ann()
    server.sighting = sighting

    is_ok, sentence = _sentences(Pool.objects.get())[-1]

    assert not is_ok
    assert word in sentence


def test_a_connection_test_tells_that_a_server_cannot_stop(server: ScriptedServer) -> None:
    ann()
    server.stop = Cancellation.GOES_ON

    assert "cannot stop" in _sentences(Pool.objects.get())[-1][1]


def test_the_admin_adds_a_pool_with_a_sealed_key_and_tries_it(server: ScriptedServer) -> None:
    from videogen.accounts.models import User

    ann()
    User.objects.create_superuser("root@example.com", "a long password")
    browser = Client()
    browser.login(username="root@example.com", password="a long password")
    form = {
        "name": "sglang-a",
        "driver": "preview",
        "profile": "",
        "url": "http://10.0.0.8:30000",
        "slots": "2",
        "state": "active",
        "model_names": "wan",
        "seconds": "4",
        "sizes": "1280x720",
        "credits_per_second": "1",
        "declared_speed": "1",
        "paid_reserved": "0",
        "polls_per_second": "5",
        "result_hosts": "",
        "key": "sk-secret",
        "webhook_secret": "",
        "reason": "a new node",
    }

    added = browser.post("/admin/jobs/pool/add/", form)
    tried = browser.post(
        "/admin/jobs/pool/",
        {"action": "try_servers", "_selected_action": ["sglang-a"]},
        follow=True,
    )
    shown = browser.get("/admin/jobs/pool/sglang-a/change/")

    pool = Pool.objects.get(name="sglang-a")
    assert added.status_code == 302, added.content.decode()
    assert sealing.unseal(pool.sealed_key) == "sk-secret"
    assert "sk-secret" not in shown.content.decode()
    said = [str(message) for message in tried.context["messages"]]
    assert any("sglang-a: It took a test order" in text for text in said), said
    assert PoolChange.objects.filter(pool="sglang-a", actor="root@example.com").exists()


def test_a_connection_test_asks_no_more_often_than_its_server_may_be_asked() -> None:
    ann()
    with FakeGpu(dialect="sglang", speed=0.001) as gpu:
        settings = {
            "driver": "openai_videos",
            "profile": "sglang",
            "url": gpu.url,
            "can_remix": False,
        }
        pools.change("preview", actor="me", reason="", polls_per_second=1_000, **settings)
        before = _used_until()
        assert _sentences(Pool.objects.get())[-1][0]
        asked = gpu.state()["requests"]
        Pool.objects.update(polled_until="2100-01-01T00:00:00Z")

        is_ok, sentence = _sentences(Pool.objects.get())[-1]

        assert gpu.state()["requests"] == asked
    assert _used_until() > before
    assert not is_ok
    assert "may not be asked more often" in sentence


def _used_until() -> datetime:
    return Pool.objects.values_list("polled_until", flat=True).get()
