"""Jobs of the running stack on reference GPU servers that are slow to tell, forget, repeat themselves and lie."""

import base64
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.request import Request

import pytest

from tests.gpu import FakeGpu
from tests.journeys import client
from tests.stack import RunningStack

_STRANGER = "pro"
_SLOTS = 2
# GPU-seconds for each second of video.
_SPEED = 0.3
_PATIENCE = 180.0
# Between two questions at most, and what answering takes, seconds.
_LEARNED_WITHIN = 20.0
_COPIES = 5
_MP4 = b"ftyp"
# What each pool's server speaks, how it is driven, and what `add_pool` finds of its cancel.
_POOLS = {
    "omni": ("vllm_omni", "openai_videos", "vllm_omni", "took a test order and stopped it"),
    "hosted": ("replicate", "replicate", "", "took a test order and stopped it"),
    "rough": ("rough", "openai_videos", "generic", "cannot stop what runs"),
}
_FACTS = """
import json
from jobs.models import Attempt, LedgerEntry, Recovery, WebhookMessage
from notifications.models import Notification
ids = {ids}
print(json.dumps({{
    "attempts": [
        {{"key": [str(a.job_id), a.number], "id": a.backend_job_id, "outcome": a.outcome,
          "learned_by": a.learned_by, "ended_at": a.ended_at.timestamp()}}
        for a in Attempt.objects.filter(job_id__in=ids)
    ],
    "forgotten": [
        [str(r.job_id), r.attempt]
        for r in Recovery.objects.filter(job_id__in=ids, cause="forgotten")
    ],
    "charges": list(map(str, LedgerEntry.objects.filter(job_id__in=ids, kind="capture")
        .values_list("job_id", flat=True))),
    "notices": list(map(str, Notification.objects.filter(subject_id__in=ids)
        .values_list("subject_id", flat=True))),
    "messages": dict(WebhookMessage.objects.filter(job_id__in=ids)
        .values_list("message_id", "count")),
    "forged": WebhookMessage.objects.filter(message_id__startswith="forged").count(),
}}))
"""


@pytest.fixture(scope="module")
def servers(running_stack: RunningStack) -> Iterator[dict[str, FakeGpu]]:
    """Give a server behind each pool, by the pool's name."""
    with ExitStack() as stack, ThreadPoolExecutor(len(_POOLS)) as together:
        gpus = {
            name: stack.enter_context(
                FakeGpu(dialect=dialect, slots=_SLOTS, speed=_SPEED, jitter=0, late_seconds=2)
            )
            for name, (dialect, *_) in _POOLS.items()
        }
        adding = {
            name: together.submit(_add_pool, running_stack, name, gpu.url)
            for name, gpu in gpus.items()
        }
        for name, (*_, found) in _POOLS.items():
            assert found in adding[name].result()
            _wait_until_offered(running_stack, name)
            # What the test order did is no affair of the journeys.
            _wait_for(gpus[name], lambda gpu: not gpu.state()["running"])
        yield gpus
        for said in together.map(lambda name: _remove_pool(running_stack, name), _POOLS):
            assert "was removed" in said


def test_a_video_of_a_server_is_opened_by_its_owner_only(
    running_stack: RunningStack, servers: dict[str, FakeGpu]
) -> None:
    stack = running_stack
    job_id = _submit(stack, "omni", seconds=8)

    client.wait(stack, [job_id], state="running")
    job = client.wait(stack, [job_id])[0]

    assert job["state"] == "succeeded"
    assert job["credits"]["charged"] == job["credits"]["reserved"]
    assert job["video_url"].startswith(f"{stack.url}/")
    _expect_clip(stack, job)
    part = client.get(stack, job["video_url"], Range="bytes=4-7")
    assert (part.status, part.body) == (206, _MP4)
    assert part.headers["Content-Range"].startswith("bytes 4-7/")
    assert client.get(stack, job["video_url"], _STRANGER).status == 404
    assert client.get(stack, job["video_url"], None).status == 401


def test_a_cancel_frees_the_gpu_where_the_server_can_stop(
    running_stack: RunningStack, servers: dict[str, FakeGpu]
) -> None:
    gpu = servers["omni"]
    seen = len(gpu.journal())
    job_id = _submit(running_stack, "omni", seconds=12)
    client.wait(running_stack, [job_id], state="running")

    client.post(running_stack, f"jobs/{job_id}/cancellation", {})
    job = client.wait(running_stack, [job_id])[0]

    facts = gpu.journal()[seen:]
    assert job["state"] == "canceled"
    assert job["credits"]["charged"] < job["credits"]["reserved"]
    assert [fact["frees"] for fact in facts if fact["fact"] == "canceled"] == [True]
    assert [fact["gpu_seconds"] < 12 * _SPEED for fact in facts if fact["fact"] == "billed"] == [
        True
    ]
    assert gpu.state()["running"] == []


def test_a_restart_in_mid_run_loses_no_job_and_is_counted(
    running_stack: RunningStack, servers: dict[str, FakeGpu]
) -> None:
    gpu = servers["omni"]
    seen = len(gpu.journal())
    # One runs and one waits in the server's own line.
    gpu.slots(1)
    ids = [_submit(running_stack, "omni", seconds=8, number=0)]
    # Orders that are due at the same moment share a list, and what a list leaves out may still live:
    # those are asked about sooner that are asked about alone.
    time.sleep(0.5)
    ids.append(_submit(running_stack, "omni", seconds=8, number=1))
    _wait_for(gpu, lambda gpu: len(_ids(gpu.journal()[seen:], "submitted")) == len(ids))

    gpu.restart()
    gpu.slots(_SLOTS)

    jobs = client.wait(running_stack, ids)
    facts = _facts(running_stack, ids)
    journal = gpu.journal()[seen:]
    attempts = {tuple(attempt["key"]): attempt for attempt in facts["attempts"]}
    made = {one["id"] for one in attempts.values() if one["outcome"] == "succeeded"}
    recovered = {attempts[key]["id"] for key in map(tuple, facts["forgotten"])}
    phases = {
        fact["id"]: fact["phase"]
        for fact in journal
        if fact["fact"] == "forgotten" and fact["id"] in _ids(journal, "submitted")
    }
    assert {job["state"] for job in jobs} == {"succeeded"}
    assert "running" in phases.values()
    assert recovered == phases.keys() - made
    # What waited at the server was not begun, so it was billed once.
    again = [one for one in recovered if phases[one] != "queued"]
    assert sorted(_ids(journal, "billed")) == sorted([*made, *again])
    assert sorted(facts["charges"]) == sorted(facts["notices"]) == sorted(ids)
    assert all(job["credits"]["charged"] == job["credits"]["reserved"] for job in jobs)


def test_every_job_ends_though_all_webhooks_are_lost(
    running_stack: RunningStack, servers: dict[str, FakeGpu]
) -> None:
    gpu = servers["hosted"]
    gpu.fault("webhook_lost")
    seen = len(gpu.journal())

    ids = [_submit(running_stack, "hosted", number=number) for number in range(4)]

    jobs = client.wait(running_stack, ids)
    gpu.fault("webhook_lost", 0)
    facts, journal = _facts(running_stack, ids), gpu.journal()[seen:]
    finished = {fact["id"]: fact["at"] for fact in journal if fact["fact"] == "finished"}
    late_by = [one["ended_at"] - finished[one["id"]] for one in facts["attempts"]]
    assert {job["state"] for job in jobs} == {"succeeded"}
    assert sorted(_ids(journal, "webhook_lost")) == sorted(finished)
    assert {one["learned_by"] for one in facts["attempts"]} == {"poll"}
    assert max(late_by) < _LEARNED_WITHIN
    assert facts["messages"] == {}
    assert sorted(facts["charges"]) == sorted(facts["notices"]) == sorted(ids)


def test_repeated_late_and_forged_webhooks_change_nothing(
    running_stack: RunningStack, servers: dict[str, FakeGpu]
) -> None:
    gpu = servers["hosted"]
    gpu.control("faults", {"webhook_duplicated": 1, "webhook_late": 0.5})
    seen = len(gpu.journal())

    ids = [_submit(running_stack, "hosted", seconds=8, number=number) for number in range(4)]
    _wait_for(gpu, lambda gpu: bool(_ids(gpu.journal()[seen:], "started")))
    target = _ids(gpu.journal()[seen:], "submitted")[0]
    secret = gpu.state()["webhook_secret"]
    other = "whsec_" + base64.b64encode(b"somebody else's key").decode()
    refused = [
        _webhook(running_stack, "hosted", target, secret=other, age=0),
        _webhook(running_stack, "hosted", target, secret=secret, age=600),
        _webhook(running_stack, "hosted", target, secret="", age=0),
    ]

    jobs = client.wait(running_stack, ids)
    count = _answers(gpu, seen, at_least=len(ids) * _COPIES)
    facts = _facts(running_stack, ids)
    assert refused == [401, 401, 401]
    assert {job["state"] for job in jobs} == {"succeeded"}
    assert count == {204: len(ids) * _COPIES}
    assert list(facts["messages"].values()) == [_COPIES] * len(ids)
    assert facts["forged"] == 0
    assert sorted(facts["charges"]) == sorted(facts["notices"]) == sorted(ids)
    assert len(_ids(gpu.journal()[seen:], "billed")) == len(ids)


def test_a_server_that_is_only_roughly_alike_works(
    running_stack: RunningStack, servers: dict[str, FakeGpu]
) -> None:
    ids = [_submit(running_stack, "rough", number=number) for number in range(2)]

    jobs = client.wait(running_stack, ids)

    assert [job["state"] for job in jobs] == ["succeeded", "succeeded"]
    _expect_clip(running_stack, jobs[0])


def _add_pool(stack: RunningStack, name: str, url: str) -> str:
    _, driver, profile, _ = _POOLS[name]
    return stack.manage(
        *("add_pool", f"--name={name}", f"--driver={driver}", f"--url={url}"),
        *(f"--models=test/{name}", "--slots=4", "--seconds=4,8,12", "--sizes=854x480"),
        *(f"--speed={_SPEED}", "--polls-per-second=10", f"--profile={profile}"),
    )


def _remove_pool(stack: RunningStack, name: str) -> str:
    return stack.manage("remove_pool", f"--name={name}")


def _submit(stack: RunningStack, pool: str, *, seconds: int = 4, number: int = 0) -> str:
    body = {"prompt": f"A tram in the rain, view {number}, {seconds} s", **_order(pool, seconds)}
    reply = client.post(stack, "jobs", body)
    assert reply.status == 202, reply.body
    return str(reply.json["id"])


def _order(pool: str, seconds: int) -> dict[str, Any]:
    return {"model": f"test/{pool}", "seconds": seconds, "size": "854x480"}


def _wait_until_offered(stack: RunningStack, pool: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    body = {"prompt": "Is it there?", **_order(pool, 4)}
    while (reply := client.post(stack, "quotes", body)).status != 200:
        assert time.monotonic() < deadline, reply.body
        time.sleep(0.2)


def _wait_for(gpu: FakeGpu, holds: Callable[[FakeGpu], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not holds(gpu):
        assert time.monotonic() < deadline, gpu.journal()
        time.sleep(0.05)


def _ids(journal: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    return [fact["id"] for fact in journal if fact["fact"] == name]


def _answers(gpu: FakeGpu, seen: int, *, at_least: int) -> Counter[int | None]:
    """Wait until so many webhooks were delivered; count the answers to them."""
    _wait_for(gpu, lambda gpu: len(_ids(gpu.journal()[seen:], "webhook_sent")) >= at_least)
    return Counter(f["status"] for f in gpu.journal()[seen:] if f["fact"] == "webhook_sent")


def _expect_clip(stack: RunningStack, job: Mapping[str, Any]) -> None:
    whole = client.get(stack, job["video_url"])
    assert whole.status == 200
    assert whole.headers["Content-Type"] == "video/mp4"
    assert whole.body[4:8] == _MP4
    # The stream is another address: the one that is shown asks who comes.
    assert whole.url != job["video_url"]


def _webhook(stack: RunningStack, pool: str, target: str, *, secret: str, age: int) -> int:
    """Deliver a message of nobody's, signed as well as its sender can; give the answer's status."""
    body = json.dumps({"id": target, "status": "failed", "error": "forged"}).encode()
    head = {
        "webhook-id": f"forged-{age}-{len(secret)}",
        "webhook-timestamp": str(int(time.time()) - age),
    }
    if secret:
        signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        mac = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        head["webhook-signature"] = f"v1,{mac}"
    return client.send(Request(f"{stack.url}/hooks/{pool}", data=body, headers=head)).status


def _facts(stack: RunningStack, ids: Sequence[str]) -> dict[str, Any]:
    said = stack.manage("shell", "--verbosity=0", "-c", _FACTS.format(ids=list(ids)))
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found
